import { IRow, navigate } from '../rows';

function row(label: string, level: number, expanded: boolean | null = null): IRow {
  return {
    id: label,
    label,
    level,
    expanded,
    detail: '',
    title: '',
    run: null,
    instance: null,
    state: null,
    wraps: false
  };
}

const rows = [
  row('Experiments', 1, true),
  row('churn', 2, true),
  row('#1', 3),
  row('wine', 2, false),
  row('Models', 1, false)
];

describe('navigate', () => {
  it('moves down and up and stops at the ends', () => {
    expect(navigate(rows, 0, 'ArrowDown')).toEqual({ focus: 1 });
    expect(navigate(rows, 4, 'ArrowDown')).toEqual({ focus: 4 });
    expect(navigate(rows, 0, 'ArrowUp')).toEqual({ focus: 0 });
  });

  it('opens a closed line, then goes into it', () => {
    expect(navigate(rows, 3, 'ArrowRight')).toEqual({ toggle: 'wine' });
    expect(navigate(rows, 1, 'ArrowRight')).toEqual({ focus: 2 });
    expect(navigate(rows, 2, 'ArrowRight')).toBeNull();
  });

  it('closes an open line, or goes to the line above it', () => {
    expect(navigate(rows, 1, 'ArrowLeft')).toEqual({ toggle: 'churn' });
    expect(navigate(rows, 2, 'ArrowLeft')).toEqual({ focus: 1 });
    expect(navigate(rows, 3, 'ArrowLeft')).toEqual({ focus: 0 });
  });

  it('jumps to the ends and to the next line that starts with a letter', () => {
    expect(navigate(rows, 2, 'Home')).toEqual({ focus: 0 });
    expect(navigate(rows, 2, 'End')).toEqual({ focus: 4 });
    expect(navigate(rows, 4, 'w')).toEqual({ focus: 3 });
    expect(navigate(rows, 0, 'z')).toEqual({ focus: 0 });
  });

  it('leaves other keys alone', () => {
    expect(navigate(rows, 0, 'Tab')).toBeNull();
  });
});
