// Pictures, videos and the camera; errors are sentences for the reader of the page.

const CAMERA_ERRORS = {
  NotAllowedError: "The camera was not allowed. Allow it for this page in the browser's settings.",
  NotFoundError: "No camera was found on this device.",
  NotReadableError: "The camera is in use by another program. Close it and try again.",
};

/** The pixels of a picture's file, as stored: without color management, turned as EXIF says. */
export async function openPicture(file) {
  try {
    return await createImageBitmap(file, {colorSpaceConversion: "none"});
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read. Use a JPEG or PNG file.`);
  }
}

/** A video that plays without sound, over and over. */
export async function openVideo(file) {
  const video = newVideo();
  video.src = URL.createObjectURL(file);
  video.loop = true;
  try {
    await video.play();
  } catch {
    close(video);
    throw new Error(`${file.name} is no video that this browser can play. Use an MP4 or WebM file.`);
  }
  return video;
}

/** The camera at the back of a phone, or the only one. */
export async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error(
      "Browsers give the camera only to pages of https or of this machine (localhost). " +
      "Open a picture or a video instead.",
    );
  }
  const video = newVideo();
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({
      video: {facingMode: "environment"},
    });
    await video.play();
  } catch (error) {
    close(video);
    throw new Error(CAMERA_ERRORS[error.name] ?? `The camera could not be used: ${error.message}`);
  }
  return video;
}

/** Stop a video or camera, or forget a picture. */
export function close(source) {
  source?.pause?.();
  source?.srcObject?.getTracks().forEach((track) => track.stop());
  if (source?.src) {
    URL.revokeObjectURL(source.src);
  }
  source?.close?.();
}

/** Width and height of a picture or video in pixels. */
export function sizeOf(source) {
  return [source.videoWidth ?? source.width, source.videoHeight ?? source.height];
}

/** Wait until a video has a new frame, or the browser draws the page again. */
export function nextFrame(video) {
  return new Promise((resolve) => {
    if (video.requestVideoFrameCallback && !video.paused) {
      video.requestVideoFrameCallback(resolve);
    } else {
      requestAnimationFrame(resolve);
    }
  });
}

function newVideo() {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  return video;
}
