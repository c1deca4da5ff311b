import { LogLines } from '../fold';

function fold(...pieces: string[]): string[] {
  const log = new LogLines();
  pieces.forEach(piece => log.feed(piece));
  return log.lines;
}

describe('LogLines', () => {
  it('splits lines wherever the pieces are cut', () => {
    expect(fold('one\ntw', 'o\nthree')).toEqual(['one', 'two', 'three']);
  });

  it('shows a progress bar as its last update', () => {
    expect(fold('10%\r20%\r', '30%\r', '100%\ndone')).toEqual(['100%', 'done']);
  });

  it('takes a Windows line end for a line end', () => {
    expect(fold('one\r\ntwo\r\n')).toEqual(['one', 'two', '']);
  });

  it('keeps a line that ends with a return until something follows', () => {
    expect(fold('50%\r', '\nnext')).toEqual(['50%', 'next']);
  });

  it('folds a million updates into one line', () => {
    const log = new LogLines();
    for (let i = 0; i < 1000; i++) {
      log.feed(Array.from({ length: 1000 }, (_, j) => `\r${i * 1000 + j}`).join(''));
    }
    expect(log.lines).toEqual(['999999']);
  });
});
