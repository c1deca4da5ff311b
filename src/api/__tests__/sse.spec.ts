import { EventParser } from '../sse';

describe('EventParser', () => {
  it('gives the data of whole messages only', () => {
    const parser = new EventParser();
    expect(parser.feed('id: 1\ndata: {"a"')).toEqual([]);
    expect(parser.feed(':1}\n\nid: 2\ndata: {}\n\n')).toEqual(['{"a":1}', '{}']);
  });

  it('passes over comments, which only keep the connection alive', () => {
    expect(new EventParser().feed(': still here\n\n')).toEqual([]);
  });
});
