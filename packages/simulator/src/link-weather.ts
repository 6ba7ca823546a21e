// How a simulated network behaves: a few numbers, and four sets of them. All times in milliseconds,
// all shares between 0 and 1.

export type LinkWeather = {
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
  /** This share of frames takes `slowMinMs` to `slowMaxMs` more. */
  readonly slowShare: number;
  /** The same of answers, which then overtake each other. */
  readonly slowAnswerShare: number;
  readonly slowMinMs: number;
  readonly slowMaxMs: number;
  /**
   * Lost on the way. A consensus message is then gone without a word; what relies on its
   * connection comes later, as TCP sends it again, with all that follows it behind it.
   */
  readonly dropShare: number;
  /** Delivered a second time, later: consensus messages only, since TCP never does it. */
  readonly duplicateShare: number;
  /** Overtakes or is overtaken on its own connection: consensus messages only. */
  readonly reorderShare: number;
  /** How long it takes until it is known that nobody answers (safety.md 17). */
  readonly deadNoticeMinMs: number;
  readonly deadNoticeMaxMs: number;
};

/** One switch between three machines. */
export const calmWeather: LinkWeather = {
  latencyMinMs: 0.1,
  latencyMaxMs: 0.6,
  slowShare: 0,
  slowAnswerShare: 0,
  slowMinMs: 0,
  slowMaxMs: 0,
  dropShare: 0,
  duplicateShare: 0,
  reorderShare: 0,
  deadNoticeMinMs: 3000,
  deadNoticeMaxMs: 7600,
};

/** A network of many paths: nothing is lost for long, nothing keeps its order. */
export const roughWeather: LinkWeather = {
  ...calmWeather,
  latencyMinMs: 0.2,
  latencyMaxMs: 12,
  slowShare: 0.03,
  slowMinMs: 20,
  slowMaxMs: 300,
  dropShare: 0.02,
  duplicateShare: 0.02,
  reorderShare: 0.1,
};

/**
 * The figures of acceptance line C-07, exactly: a tenth of requests and a tenth of answers lost,
 * 0 to 26 ms each way, two thirds of answers 200 to 2,400 ms late and out of order, and up to 7 s
 * until a dead peer is known to be dead.
 */
export const labWeather: LinkWeather = {
  ...calmWeather,
  latencyMinMs: 0,
  latencyMaxMs: 26,
  slowAnswerShare: 2 / 3,
  slowMinMs: 200,
  slowMaxMs: 2400,
  dropShare: 0.1,
  deadNoticeMinMs: 0,
  deadNoticeMaxMs: 7000,
};

/** Everything that a storm of repeated and lost requests looks like on the wire. */
export const stormWeather: LinkWeather = {
  ...calmWeather,
  latencyMaxMs: 26,
  slowShare: 0.1,
  slowAnswerShare: 0.1,
  slowMinMs: 200,
  slowMaxMs: 2400,
  dropShare: 0.1,
  duplicateShare: 0.6,
  reorderShare: 0.6,
};
