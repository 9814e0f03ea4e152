export interface LockOptions {
  /** Called once when another run has the lock. */
  onWait: () => void;
  /** How long to wait at most. */
  waitSeconds: number;
  /**
   * How long nobody keeps a lock whose run has died. The same for all runs.
   *
   * @default 20
   */
  silentSeconds?: number;
}

/** Waits for a lock and takes it; gives what gives it back. */
export function acquireLock(file: string, options: LockOptions): Promise<() => void>;
