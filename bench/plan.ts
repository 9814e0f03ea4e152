/** How much of everything one run does: the same work, more or less often. */
export interface Plan {
  /** Rounds of the request load, the handshakes, the pulls and the pushes. */
  rounds: number;
  /** How long one round of requests or of handshakes lasts. */
  loadSeconds: number;
  /** How long the clients are timed during an attack. */
  attackSeconds: number;
  /** Wrong passwords a round. */
  guesses: number;
  /** Rounds of `pulumi up`, which takes seconds each. */
  upRounds: number;
  /** How many client machines one `pulumi up` sets up, a few and many. */
  clients: { few: number; many: number };
  /** How often nginx's container is replaced. */
  replacements: number;
  /** How often each kind of change is made while clients are at work. */
  changes: number;
}

/** How many client machines are set up side by side, as by `npm run up`. */
export const clientsAtOnce = 10;

/** Under 15 minutes on two cores. */
export const fullPlan: Plan = {
  rounds: 5,
  loadSeconds: 5,
  attackSeconds: 8,
  guesses: 40,
  upRounds: 5,
  clients: { few: clientsAtOnce, many: 40 },
  replacements: 3,
  changes: 20,
};

/** Under 2 minutes: the table's shape, and whether anything is far off. No spread. */
export const quickPlan: Plan = {
  rounds: 1,
  loadSeconds: 1,
  attackSeconds: 4,
  guesses: 20,
  upRounds: 1,
  clients: { few: 3, many: 6 },
  replacements: 1,
  changes: 1,
};

/** The size of the large layer. */
export const largeLayerMiB = 512;

/** How many layers of 1 MiB the small push has. */
export const smallLayers = 200;
