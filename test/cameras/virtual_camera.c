/* A webcam for a process that preloads this library: it answers the requests of videodev2.h below FFmpeg.

   /dev/videoN is served from the directory $VIRTUAL_CAMERAS/videoN:
   MJPG/0, MJPG/1, ... and YUYV/0, ...   the pictures, shown over and over
   unplugged, busy, frozen               while such a file is there, the camera is
   full                                  while this one is there, the USB bus has no room for the pictures
   controls                              a line "ID VALUE" for each control that was set */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { HANDLES = 1024, BUFFERS = 4, LARGEST = 1280 * 720 * 2, STRIDE = 1 << 21 };

struct mode { uint32_t pixel_format, width, height; };
static const struct mode MODES[] = {
    {V4L2_PIX_FMT_MJPEG, 1280, 720},
    {V4L2_PIX_FMT_MJPEG, 640, 480},
    {V4L2_PIX_FMT_MJPEG, 176, 144},
    {V4L2_PIX_FMT_YUYV, 176, 144},
};
static const uint32_t FORMATS[] = {V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV};
static const uint32_t RATES_HZ[] = {30, 15};
static const struct control { uint32_t id; const char *name; int32_t low, high; } CONTROLS[] = {
    {V4L2_CID_BRIGHTNESS, "Brightness", -64, 64},
    {V4L2_CID_EXPOSURE_AUTO, "Auto Exposure", 0, 3},
    {V4L2_CID_EXPOSURE_ABSOLUTE, "Exposure Time, Absolute", 1, 5000},
    {V4L2_CID_FOCUS_ABSOLUTE, "Focus, Absolute", 0, 250},
    {V4L2_CID_FOCUS_AUTO, "Focus, Automatic Continuous", 0, 1},
};
enum { N_MODES = 4, N_FORMATS = 2, N_RATES = 2, N_CONTROLS = 5 };

struct camera {
    struct mode mode;
    uint32_t rate_hz, pictures, queue[BUFFERS], queued;
    void *buffers[BUFFERS];
    bool streams;
    struct timespec start;
    int64_t shown;
};
static struct camera *cameras[HANDLES];

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static int (*real_ioctl)(int, unsigned long, ...);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

__attribute__((constructor)) static void find_the_real_ones(void)
{
    real_open = dlsym(RTLD_NEXT, "open");
    real_close = dlsym(RTLD_NEXT, "close");
    real_ioctl = dlsym(RTLD_NEXT, "ioctl");
    real_mmap = dlsym(RTLD_NEXT, "mmap");
}

static struct camera *camera_of(int fd) { return fd >= 0 && fd < HANDLES ? cameras[fd] : NULL; }

static int refuse(int error)
{
    errno = error;
    return -1;
}

static bool is(int fd, const char *state) { return faccessat(fd, state, F_OK, 0) == 0; }

/* Requests */

static int capabilities(struct v4l2_capability *answer)
{
    memset(answer, 0, sizeof *answer);
    strcpy((char *)answer->driver, "uvcvideo");
    strcpy((char *)answer->card, "Virtual Webcam");
    strcpy((char *)answer->bus_info, "usb-virtual-1");
    answer->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    answer->capabilities = answer->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int input(struct v4l2_input *answer)
{
    if (answer->index > 0)
        return refuse(EINVAL);
    memset(answer, 0, sizeof *answer);
    strcpy((char *)answer->name, "Camera 1");
    answer->type = V4L2_INPUT_TYPE_CAMERA;
    return 0;
}

static int format(struct v4l2_fmtdesc *answer)
{
    if (answer->index >= N_FORMATS)
        return refuse(EINVAL);
    answer->pixelformat = FORMATS[answer->index];
    return 0;
}

static int frame_size(struct v4l2_frmsizeenum *answer)
{
    uint32_t wanted = answer->index;
    for (int i = 0; i < N_MODES; i++)
        if (MODES[i].pixel_format == answer->pixel_format && wanted-- == 0) {
            answer->type = V4L2_FRMSIZE_TYPE_DISCRETE;
            answer->discrete.width = MODES[i].width;
            answer->discrete.height = MODES[i].height;
            return 0;
        }
    return refuse(EINVAL);
}

static int frame_interval(struct v4l2_frmivalenum *answer)
{
    if (answer->index >= N_RATES)
        return refuse(EINVAL);
    answer->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    answer->discrete.numerator = 1;
    answer->discrete.denominator = RATES_HZ[answer->index];
    return 0;
}

static int query_control(struct v4l2_queryctrl *answer)
{
    bool next = answer->id & V4L2_CTRL_FLAG_NEXT_CTRL;
    uint32_t id = answer->id & ~V4L2_CTRL_FLAG_NEXT_CTRL;
    for (int i = 0; i < N_CONTROLS; i++)
        if (next ? CONTROLS[i].id > id : CONTROLS[i].id == id) {
            memset(answer, 0, sizeof *answer);
            answer->id = CONTROLS[i].id;
            answer->type = V4L2_CTRL_TYPE_INTEGER;
            strcpy((char *)answer->name, CONTROLS[i].name);
            answer->minimum = CONTROLS[i].low;
            answer->maximum = CONTROLS[i].high;
            return 0;
        }
    return refuse(EINVAL);
}

static int set_control(int fd, const struct v4l2_control *asked)
{
    for (int i = 0; i < N_CONTROLS; i++)
        if (CONTROLS[i].id == asked->id) {
            if (asked->value < CONTROLS[i].low || asked->value > CONTROLS[i].high)
                return refuse(ERANGE);
            int log = openat(fd, "controls", O_WRONLY | O_CREAT | O_APPEND, 0644);
            dprintf(log, "%u %d\n", asked->id, asked->value);
            return real_close(log);
        }
    return refuse(EINVAL);
}

static int get_format(struct camera *camera, struct v4l2_format *answer)
{
    memset(&answer->fmt, 0, sizeof answer->fmt);
    answer->fmt.pix.width = camera->mode.width;
    answer->fmt.pix.height = camera->mode.height;
    answer->fmt.pix.pixelformat = camera->mode.pixel_format;
    answer->fmt.pix.field = V4L2_FIELD_NONE;
    answer->fmt.pix.sizeimage = camera->mode.width * camera->mode.height * 2;
    return 0;
}

/* As drivers do: what it cannot do becomes the next best that it can. */
static int set_format(struct camera *camera, struct v4l2_format *asked)
{
    const struct mode *best = NULL;
    for (int i = 0; i < N_MODES; i++)
        if (MODES[i].pixel_format == asked->fmt.pix.pixelformat &&
            (!best || (MODES[i].width == asked->fmt.pix.width && MODES[i].height == asked->fmt.pix.height)))
            best = &MODES[i];
    camera->mode = best ? *best : MODES[0];
    return get_format(camera, asked);
}

static int rate(struct camera *camera, struct v4l2_streamparm *asked, bool set)
{
    struct v4l2_fract *period = &asked->parm.capture.timeperframe;
    if (set && period->numerator)
        camera->rate_hz = period->denominator / period->numerator <= RATES_HZ[1] ? RATES_HZ[1] : RATES_HZ[0];
    asked->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    period->numerator = 1;
    period->denominator = camera->rate_hz;
    return 0;
}

static int describe_buffer(struct v4l2_buffer *answer)
{
    if (answer->index >= BUFFERS)
        return refuse(EINVAL);
    answer->length = LARGEST;
    answer->m.offset = answer->index * STRIDE;
    return 0;
}

static int enqueue(struct camera *camera, const struct v4l2_buffer *buffer)
{
    camera->queue[camera->queued++] = buffer->index;
    return 0;
}

static int open_picture(int fd, const struct camera *camera, int64_t number)
{
    char name[64];
    snprintf(name, sizeof name, "%.4s/%ld", (const char *)&camera->mode.pixel_format, (long)number);
    return openat(fd, name, O_RDONLY);
}

static int start(int fd, struct camera *camera)
{
    if (is(fd, "full"))
        return refuse(ENOSPC);
    int picture;
    for (camera->pictures = 0; (picture = open_picture(fd, camera, camera->pictures)) >= 0; camera->pictures++)
        real_close(picture);
    clock_gettime(CLOCK_MONOTONIC, &camera->start);
    camera->shown = 0;
    camera->streams = true;
    return 0;
}

/* The newest picture that is due; those before it for which no buffer was free are lost. */
static int dequeue(int fd, struct camera *camera, struct v4l2_buffer *answer)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ns = (now.tv_sec - camera->start.tv_sec) * 1000000000LL + now.tv_nsec - camera->start.tv_nsec;
    int64_t due = ns * camera->rate_hz / 1000000000LL;
    if (!camera->streams || !camera->pictures || !camera->queued || due <= camera->shown || is(fd, "frozen"))
        return refuse(EAGAIN);
    camera->shown = due;
    answer->index = camera->queue[0];
    memmove(camera->queue, camera->queue + 1, --camera->queued * sizeof camera->queue[0]);
    int picture = open_picture(fd, camera, (due - 1) % camera->pictures);
    answer->bytesused = read(picture, camera->buffers[answer->index], LARGEST);
    real_close(picture);
    int64_t taken_us = camera->start.tv_sec * 1000000LL + camera->start.tv_nsec / 1000 +
                       due * 1000000LL / camera->rate_hz;
    answer->timestamp.tv_sec = taken_us / 1000000;
    answer->timestamp.tv_usec = taken_us % 1000000;
    answer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_DONE;
    answer->length = LARGEST;
    return 0;
}

static int answer(int fd, struct camera *camera, unsigned long request, void *value)
{
    if (is(fd, "unplugged"))
        return refuse(ENODEV);
    if (is(fd, "busy") && ((uint32_t)request == VIDIOC_S_FMT || (uint32_t)request == VIDIOC_REQBUFS))
        return refuse(EBUSY);
    switch ((uint32_t)request) {
    case VIDIOC_QUERYCAP: return capabilities(value);
    case VIDIOC_ENUMINPUT: return input(value);
    case VIDIOC_G_INPUT: return *(int *)value = 0;
    case VIDIOC_S_INPUT: return 0;
    case VIDIOC_ENUM_FMT: return format(value);
    case VIDIOC_ENUM_FRAMESIZES: return frame_size(value);
    case VIDIOC_ENUM_FRAMEINTERVALS: return frame_interval(value);
    case VIDIOC_QUERYCTRL: return query_control(value);
    case VIDIOC_S_CTRL: return set_control(fd, value);
    case VIDIOC_G_FMT: return get_format(camera, value);
    case VIDIOC_S_FMT: return set_format(camera, value);
    case VIDIOC_G_PARM: return rate(camera, value, false);
    case VIDIOC_S_PARM: return rate(camera, value, true);
    case VIDIOC_REQBUFS: ((struct v4l2_requestbuffers *)value)->count = BUFFERS; return 0;
    case VIDIOC_QUERYBUF: return describe_buffer(value);
    case VIDIOC_QBUF: return enqueue(camera, value);
    case VIDIOC_DQBUF: return dequeue(fd, camera, value);
    case VIDIOC_STREAMON: return start(fd, camera);
    case VIDIOC_STREAMOFF: camera->streams = false; return 0;
    default: return refuse(ENOTTY);
    }
}

/* What the process calls */

static int open_camera(const char *number)
{
    char directory[4096];
    snprintf(directory, sizeof directory, "%s/video%s", getenv("VIRTUAL_CAMERAS"), number);
    int fd = real_open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fd >= HANDLES)
        return fd;
    if (is(fd, "unplugged")) {
        real_close(fd);
        return refuse(ENOENT);
    }
    cameras[fd] = calloc(1, sizeof(struct camera));
    cameras[fd]->mode = MODES[0];
    cameras[fd]->rate_hz = RATES_HZ[0];
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, mode_t);
    va_end(arguments);
    const char *device = "/dev/video";
    if (getenv("VIRTUAL_CAMERAS") && strncmp(path, device, strlen(device)) == 0)
        return open_camera(path + strlen(device));
    return real_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return open(path, flags, mode);
}

int close(int fd)
{
    if (camera_of(fd)) {
        free(cameras[fd]);
        cameras[fd] = NULL;
    }
    return real_close(fd);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *value = va_arg(arguments, void *);
    va_end(arguments);
    struct camera *camera = camera_of(fd);
    return camera ? answer(fd, camera, request, value) : real_ioctl(fd, request, value);
}

void *mmap(void *where, size_t length, int protection, int flags, int fd, off_t offset)
{
    struct camera *camera = camera_of(fd);
    if (!camera)
        return real_mmap(where, length, protection, flags, fd, offset);
    void *memory = real_mmap(where, length, protection, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    camera->buffers[offset / STRIDE] = memory;
    return memory;
}

void *mmap64(void *where, size_t length, int protection, int flags, int fd, off_t offset)
{
    return mmap(where, length, protection, flags, fd, offset);
}
