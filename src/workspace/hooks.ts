import { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';

/** Render again whenever the signal fires. */
export function useSignal<S, T>(signal: ISignal<S, T>): void {
  const [, again] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const slot = () => again();
    signal.connect(slot);
    return () => {
      signal.disconnect(slot);
    };
  }, [signal]);
}
