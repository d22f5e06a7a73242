"""Where a factor holds: ISO 3166 codes, China's grid regions, and the world."""

import re

WORLD = "world"
# ISO 3166-2:CN
_PROVINCES = "AH BJ CQ FJ GD GS GX GZ HA HB HE HI HK HL HN JL JS JX LN MO NM NX QH SC SD SH SN SX TJ TW XJ XZ YN ZJ"
# Not in ISO 3166: the regional grids of the published tables.
_GRIDS = "north northeast east central northwest south southwest"
# ISO 3166-1 alpha-2, officially assigned
_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
_COUNTRY_CODES = frozenset(_COUNTRIES.split())
_CHINA = frozenset(_PROVINCES.split()) | {f"grid-{name}" for name in _GRIDS.split()}
_SUBDIVISION = re.compile(r"[A-Z0-9]{1,3}", re.ASCII)


def problem_of(region: str) -> str | None:
    """Why this names no region; None when it does."""
    country, _, part = region.partition("-")
    if region == WORLD:
        return None
    if country not in _COUNTRY_CODES:
        return f'{region!a} is no country code of ISO 3166 (CN), nor a part of one (CN-CQ), nor "world"'
    if not part:
        return None
    if country == "CN":
        return None if part in _CHINA else f"{region!a} is no part of CN; known: {_listed()}"
    return None if _SUBDIVISION.fullmatch(part) else f"{region!a} is not written as in ISO 3166-2"


def _listed() -> str:
    return ", ".join(f"CN-{part}" for part in sorted(_CHINA))
