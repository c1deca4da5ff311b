/** Splits a server-sent event stream, fed piece by piece, into the data of its messages. */
export class EventParser {
  feed(text: string): string[] {
    this.pending += text;
    const blocks = this.pending.split('\n\n');
    this.pending = blocks.pop() ?? '';
    return blocks.map(dataOf).filter(data => data !== '');
  }

  private pending = '';
}

function dataOf(block: string): string {
  return block
    .split('\n')
    .filter(line => line.startsWith('data:'))
    .map(line => line.slice(5).trimStart())
    .join('\n');
}
