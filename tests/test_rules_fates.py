"""What becomes of an answer that a server has not accepted."""

from metermt.errors import BY_CODE
from metermt.rules.fates import Fate, fate_of

TOLD = {
    Fate.LOGIN: "session",
    Fate.AGAIN: (
        "store store-away store-gone store-locked store-refused store-too-new not-a-store connection unreachable tls "
        "not-a-server busy lost registry deadline internal"
    ),
    Fate.ODD: "confirm-reading",
    Fate.WRONG: "invalid-reading invalid-reason",
    Fate.GONE: "unknown-meter cycle-closed meter-exchanged unknown-cycle meter-leased already-read",
    Fate.REFUSED: "submission invalid-time invalid-key invalid-report",
    Fate.KEPT: (
        "error login too-many-failures account-disabled role user route decision reason layout setting cannot-estimate "
        "call outbox listen"
    ),
}


def test_every_error_leaves_an_answer_one_fate():
    fates = {fate: {code for code, kind in BY_CODE.items() if fate_of(kind()) is fate} for fate in Fate}
    assert fates == {fate: set(codes.split()) for fate, codes in TOLD.items()}
