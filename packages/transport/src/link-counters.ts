// What has gone over a link, or over several in a row.

export type LinkCounters = {
  framesSent: number;
  bytesSent: number;
  framesReceived: number;
  bytesReceived: number;
};

export const noLinkCounters: Readonly<LinkCounters> = {
  framesSent: 0,
  bytesSent: 0,
  framesReceived: 0,
  bytesReceived: 0,
};

export const sumOfCounters = (
  a: Readonly<LinkCounters>,
  b: Readonly<LinkCounters>,
): LinkCounters => ({
  framesSent: a.framesSent + b.framesSent,
  bytesSent: a.bytesSent + b.bytesSent,
  framesReceived: a.framesReceived + b.framesReceived,
  bytesReceived: a.bytesReceived + b.bytesReceived,
});
