from typing import Any

import numpy as np
from sensor_msgs.msg import Image

class CvBridge:
    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str) -> np.ndarray[Any, Any]: ...
