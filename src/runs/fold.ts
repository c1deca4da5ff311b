/**
 * A log as lines, fed piece by piece. A carriage return starts its line anew, as in a terminal, so
 * that a progress bar of a million updates is one line.
 */
export class LogLines {
  readonly lines: string[] = [''];

  feed(text: string): void {
    for (const [index, piece] of text.replace(/\r\n/g, '\n').split('\n').entries()) {
      if (index > 0) {
        this.finish();
        this.lines.push('');
      }
      this.append(piece);
    }
  }

  private append(piece: string): void {
    const last = this.lines.length - 1;
    const parts = (this.lines[last] + piece).split('\r');
    // A trailing return may be followed by text, or end the line: it waits for what comes.
    const ending = parts[parts.length - 1];
    this.lines[last] =
      ending === '' && parts.length > 1 ? parts[parts.length - 2] + '\r' : ending;
  }

  private finish(): void {
    const last = this.lines.length - 1;
    this.lines[last] = this.lines[last].replace(/\r$/, '');
  }
}
