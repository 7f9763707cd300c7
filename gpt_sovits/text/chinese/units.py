"""Chinese units and the nouns that take 两: 1.5mm², 1.2g/cm3, 2根, but 2次方程 and 2楼."""

import re

LENGTHS = {"km": "公里", "m": "米", "dm": "分米", "cm": "厘米", "mm": "毫米", "μm": "微米", "nm": "纳米"}
UNITS = LENGTHS | {
    "fps": "帧每秒", "kg": "公斤", "g": "克", "mg": "毫克", "μg": "微克", "t": "吨", "l": "升", "ml": "毫升",
    "dl": "分升", "ha": "公顷",
    "kwh": "千瓦时", "kw": "千瓦", "mw": "兆瓦", "w": "瓦", "mah": "毫安时", "v": "伏", "kv": "千伏", "ma": "毫安",
    "hz": "赫兹", "khz": "千赫", "mhz": "兆赫", "ghz": "吉赫", "db": "分贝", "px": "像素", "pa": "帕", "kpa": "千帕",
    "hpa": "百帕", "mpa": "兆帕", "kcal": "千卡", "kj": "千焦",
    "h": "小时", "min": "分钟", "s": "秒", "ms": "毫秒", "μs": "微秒", "°c": "摄氏度", "°f": "华氏度", "°": "度",
}  # fmt: skip
POWERS = {"2": "平方", "3": "立方"}
# 2 is 两 before these, and 二 before a month, a floor or as a bare number
NOUNS_AFTER_LIANG = (
    "个位名人天周年夜岁点次回家间件只条张本台辆座种样块元角公里米吨斤克升度"
    "個間隻條張臺輛種樣塊雙對歲蚊次聲"
    "小时分钟秒倍万千亿遍套双对把杯瓶碗盒包份篇首部场届口头匹棵朵颗支片"
    "根幅副门所群箱桶袋罐盘顿笔株粒滴项步站节枚艘架扇盏集段则阵趟番批轮厅卫成星礼股侧边者串款"
    "門項節筆頓盤輪廳衛陣則集"
)
# the nouns above do not count here: 2次方程, 2人转, 2年级
NOT_COUNTED = "(?:次(?:方|函|元|曲|型|项|多项)|人[制转]|年[级級])"
_LENGTH = "|".join(sorted(LENGTHS, key=len, reverse=True))
_ANY = "|".join(sorted(UNITS, key=len, reverse=True))
UNIT = rf"(?:(?:{_LENGTH})\^?[23]|{_ANY})(?:/(?:(?:{_LENGTH})[23]|{_ANY}))?"


def unit_words(unit: str) -> str:
    """Return a unit in words, with {} where the number goes: 'mm2' -> '{}平方毫米', 'g/cm3' -> '每立方厘米{}克'."""
    first, _, rate = unit.lower().replace("^", "").partition("/")
    if first == "fps":
        return "每秒{}帧"
    return f"每{_name(rate)}{{}}{_name(first)}" if rate else "{}" + _name(first)


def _name(unit: str) -> str:
    if unit in UNITS:
        return UNITS[unit]
    m = re.fullmatch("(.+)([23])", unit)
    return POWERS[m[2]] + LENGTHS[m[1]]
