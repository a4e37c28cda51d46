"""Image calls that take points and matrices: their messages, and what they do to AI planes."""

import pytest

from k210sim.errors import NotSimulated
from tests.modules.picture_vm import PictureVm

POINTS = "[(10, 10), (40, 10), (25, 30)], [(5, 5), (20, 5), (12, 15)]"
TWO = "import image\na = image.Image(size=(64, 64))\nb = image.Image(size=(32, 32))\n"


@pytest.fixture
def guest():
    return PictureVm()


def last_line(guest, source) -> str:
    outcome = guest.outcome(source)
    return outcome.traceback.decode().strip().splitlines()[-1] if outcome.traceback else ""


def test_planes_are_warped(guest):
    guest.outcome(
        TWO + "a.draw_circle(32, 32, 20, color=(255, 0, 0), fill=True)\n"
        f"T = image.get_affine_transform({POINTS})\n"
        "a.pix_to_ai(); b.pix_to_ai()\n"
        "print(len(T), T[6:], image.warp_affine_ai(a, b, T))\n"
        "b.ai_to_pix()\nprint(b.get_pixel(16, 16), b.get_pixel(0, 0))\n"
    )
    assert guest.output.decode().splitlines() == [
        "9 (0.0, 0.0, 1.0) None",
        "(255, 0, 0) (0, 0, 0)",
    ]


@pytest.mark.parametrize(
    "call, error",
    [
        ("image.get_affine_transform([(1, 2)], [])", "src len must equal with dst len"),
        ("image.get_affine_transform([(1, 2)] * 11, [(1, 2)] * 11)", "must<=10 points"),
        ("image.warp_affine_ai(a, b, (1,) * 9)", "only support ai image affine"),
        ("image.warp_affine_ai(a, b.to_grayscale(), (1,) * 9)", "src_img->bpp != dst_img->bpp"),
        ("image.warp_affine_ai(a, b, (1,) * 8)", "requested length 9 but object has length 8"),
        ("a.rotation_corr(zoom=0)", "Zoom must be > 0!"),
        ("a.rotation_corr(fov=0)", "FOV must be > 0 and < 180!"),
        ("a.rotation_corr(corners=[(0, 0)])", "requested length 4 but object has length 1"),
        ("a.find_lines(x_stride=0)", "x_stride must not be zero."),
        ("a.find_circles(y_stride=0)", "y_stride must not be zero."),
        ("a.find_edges(image.EDGE_SIMPLE)", "Image format is not supported!"),
    ],
)
def test_wrong_calls(guest, call, error):
    assert error in last_line(guest, TWO + call)


def test_points_must_be_lists(guest):
    outcome = guest.outcome(TWO + "image.get_affine_transform((1, 2), [])")
    assert "OSError: Need input [[x0,y0],[x1,y1],...]" in outcome.traceback.decode()


def test_what_never_ends_or_needs_the_kpu_is_not_simulated(guest):
    for call in ("a.find_circles(r_step=0)", "a.to_grayscale().find_edges(image.EDGE_CANNY)"):
        with pytest.raises(NotSimulated):
            guest.outcome(TWO + call)
