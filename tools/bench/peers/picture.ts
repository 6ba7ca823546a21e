// The ratios as a picture (SVG): for each load a bar a door, in times of etcd's rate.
import type { RateLine } from './rate-line.ts';
import { type DoorName, type Load, nameOf } from './rate-plan.ts';

const [width, left, right, top] = [860, 250, 90, 70];
const [barHeight, gap] = [13, 12];
const [ink, faint, paper] = ['#1f2328', '#59636e', '#ffffff'];

const title = 'Requests a second, in times of etcd’s';

const series: readonly { readonly door: DoorName; readonly name: string; readonly fill: string }[] =
  [
    { door: 'etcd', name: 'etcd, gRPC', fill: '#8c959f' },
    { door: 'zookeeper', name: 'ZooKeeper', fill: '#c69026' },
    { door: 'holdfast', name: 'Holdfast, gRPC', fill: '#0969da' },
    { door: 'holdfast-frames', name: 'Holdfast, own frames', fill: '#1a7f37' },
  ];

/** `caption`: where and when it was measured. */
export function toPicture(lines: readonly RateLine[], caption: string): string {
  const shown = series.filter(({ door }) => lines.some((line) => line.door === door));
  const groups = groupsOf(lines);
  const groupHeight = shown.length * barHeight + gap;
  const height = top + groups.length * groupHeight + 34;
  const most = Math.max(1, ...groups.flatMap(({ ratios }) => [...ratios.values()]));
  const unit = (width - left - right) / most;
  const frame = { unit, bottom: height - 34 };
  const body = groups.flatMap((group, at) =>
    drawGroup(group, { y: top + at * groupHeight, unit, doors: shown }),
  );
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
      `viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" ` +
      `fill="${ink}" role="img">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" rx="6" fill="${paper}"/>`,
    text({ x: 16, y: 26, size: 15 }, `${title}, by requests in flight / connections`),
    ...legend(shown),
    ...baseline(frame),
    ...body,
    text({ x: 16, y: height - 12, fill: faint, size: 11 }, caption),
    '</svg>',
  ].join('\n')}\n`;
}

type Group = {
  readonly load: Load;
  readonly ratios: ReadonlyMap<DoorName, number>;
  readonly rates: ReadonlyMap<DoorName, number>;
};

/** The loads that etcd was given too. */
function groupsOf(lines: readonly RateLine[]): readonly Group[] {
  return lines
    .filter(({ door }) => door === 'etcd')
    .map(({ load, perSecond }) => {
      const same = lines.filter((line) => line.load === load);
      const rates = new Map(same.map((line) => [line.door, line.perSecond]));
      const ratios = new Map([...rates].map(([door, rate]) => [door, rate / perSecond]));
      return { load, ratios, rates };
    });
}

type Place = { readonly y: number; readonly unit: number; readonly doors: typeof series };

function drawGroup({ load, ratios, rates }: Group, { y, unit, doors }: Place): readonly string[] {
  const middle = y + (doors.length * barHeight) / 2 + 4;
  const bars = doors.flatMap(({ door, fill }, at) => {
    const ratio = ratios.get(door);
    if (ratio === undefined) return [];
    const [barY, barWidth] = [y + at * barHeight, Math.max(1, ratio * unit)];
    const rate = Math.round(rates.get(door) as number).toLocaleString('en');
    const words = door === 'etcd' ? rate : `${ratio.toFixed(2)} (${rate})`;
    return [
      `<rect x="${left}" y="${barY}" width="${barWidth.toFixed(1)}" height="${barHeight - 2}" ` +
        `fill="${fill}"/>`,
      text({ x: left + barWidth + 5, y: barY + barHeight - 4, size: 10, isClear: true }, words),
    ];
  });
  return [text({ x: left - 10, y: middle, anchor: 'end' }, nameOf(load)), ...bars];
}

function legend(doors: typeof series): readonly string[] {
  return doors.flatMap(({ name, fill }, at) => {
    const x = left + at * 145;
    return [
      `<rect x="${x}" y="40" width="11" height="11" fill="${fill}"/>`,
      text({ x: x + 16, y: 50 }, name),
    ];
  });
}

/** Where etcd's bars end. */
function baseline({ unit, bottom }: { readonly unit: number; readonly bottom: number }) {
  const x = (left + unit).toFixed(1);
  return [
    `<line x1="${x}" y1="${top - 6}" x2="${x}" y2="${bottom}" stroke="${faint}" ` +
      'stroke-dasharray="3 3"/>',
  ];
}

type TextStyle = {
  readonly x: number;
  readonly y: number;
  readonly size?: number;
  readonly fill?: string;
  readonly anchor?: 'end';
  /** Readable on whatever it crosses. */
  readonly isClear?: boolean;
};

function text({ x, y, size, fill, anchor, isClear }: TextStyle, words: string): string {
  const attributes = [
    `x="${x.toFixed(1)}" y="${y.toFixed(1)}"`,
    size === undefined ? '' : ` font-size="${size}"`,
    fill === undefined ? '' : ` fill="${fill}"`,
    anchor === undefined ? '' : ` text-anchor="${anchor}"`,
    isClear ? ` stroke="${paper}" stroke-width="3" paint-order="stroke"` : '',
  ].join('');
  return `<text ${attributes}>${escaped(words)}</text>`;
}

const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
