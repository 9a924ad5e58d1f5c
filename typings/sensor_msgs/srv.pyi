from sensor_msgs.msg import CameraInfo

class SetCameraInfo:
    class Request:
        camera_info: CameraInfo

    class Response:
        success: bool
        status_message: str
