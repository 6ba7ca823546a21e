// How a simulated network behaves: a few numbers, and three sets of them. All times in
// milliseconds, all shares between 0 and 1.

export type LinkWeather = {
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
  /** This share of frames takes `slowMinMs` to `slowMaxMs` more. */
  readonly slowShare: number;
  readonly slowMinMs: number;
  readonly slowMaxMs: number;
  /** Lost without a word. */
  readonly dropShare: number;
  /** Delivered a second time, later: consensus messages only, since TCP never does it. */
  readonly duplicateShare: number;
  /** Overtakes or is overtaken on its own connection. */
  readonly reorderShare: number;
};

/** One switch between three machines. */
export const calmWeather: LinkWeather = {
  latencyMinMs: 0.1,
  latencyMaxMs: 0.6,
  slowShare: 0,
  slowMinMs: 0,
  slowMaxMs: 0,
  dropShare: 0,
  duplicateShare: 0,
  reorderShare: 0,
};

/** A network of many paths: nothing is lost for long, nothing keeps its order. */
export const roughWeather: LinkWeather = {
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
 * The figures of acceptance line C-07: a tenth lost, 0 to 26 ms, long delays and much reordering.
 */
export const labWeather: LinkWeather = {
  latencyMinMs: 0,
  latencyMaxMs: 26,
  slowShare: 0.1,
  slowMinMs: 200,
  slowMaxMs: 2400,
  dropShare: 0.1,
  duplicateShare: 0.05,
  reorderShare: 0.3,
};
