"""Identifiers in Chinese texts, whose digits are read one by one: order numbers, codes, rooms, trains, flights, models.

Each rule is a pattern whose group `n` holds the digits, and whether 1 is 幺 (as on the telephone). Amounts stay to the
rules of the normalization: 500G, 175B参数, 10M.
"""

import re

# ruff: noqa: SIM905 - tables of words read better as text
_CODES = (  # simplified and traditional
    "编号 单号 订单号 取票码 取件码 提货码 验证码 校验码 邀请码 激活码 密码 口令 卡号 账号 帐号 账户 学号 工号 "
    "证号 号码 邮编 邮政编码 编码 代码 代号 条形码 条码 序列号 流水号 房号 房间号 门牌号 票号 尾号 车牌 车牌号 "
    "车号 会员号 群号 微信号 学籍号 身份证 護照 护照 編號 單號 訂單號 驗證碼 密碼 帳號 賬號 號碼 郵編 編碼 代碼 "
    "條碼 房號 尾號 車牌 會員號 學號 卡號 QQ QQ号 QQ群 PIN ID"
).split()
CODE_NOUNS = "|".join(sorted(_CODES, key=len, reverse=True))
SERVICE_NUMBERS = r"10086|10010|12306|12315|12320|12333|12345(?=热线|平台|市民)|95\d{3}(?=客服|热线)"
COUNTED = "元个人名只台吨次亿万千年米斤件块美港歐欧円蚊個"  # after a number these show an amount
PLACES = r"室|号房|号室|號房|房间|房間|国道|省道|航班|次航班|错误|錯誤|页面|客机|飞机|战机"
AFTER_NAMES = "波音|空客|单元|單元|国道|机型"
SLOGANS = r"985(?=高校|大学|院校|工程|毕业)|211(?=高校|大学|院校|工程|毕业)|996(?=工作|制|加班|的)|007(?=工作制)"
UNIT_LETTERS = "KMGTWV"  # 100G, 200W, 512M: amounts
_NOT_INSIDE = r"(?<!\d)(?<!\d[.,])"
_END = r"(?![\d%‰]|[.,]\d)"

RULES: list[tuple[re.Pattern[str], bool]] = [
    (re.compile(rf"(?<![A-Za-z])(?:{CODE_NOUNS})\s?(?:[是为為係:]\s?)?(?P<n>\d{{3,}}){_END}(?![{COUNTED}行])"), False),
    (re.compile(rf"{_NOT_INSIDE}(?P<n>{SERVICE_NUMBERS})(?!\d|[.,]\d|%|[{COUNTED}])"), True),
    (re.compile(rf"{_NOT_INSIDE}(?P<n>{SLOGANS})"), False),
    (re.compile(rf"{_NOT_INSIDE}(?P<n>\d{{3,4}})(?=(?:{PLACES}))"), False),
    (re.compile(rf"(?:{AFTER_NAMES})\s?(?P<n>\d{{3,4}})(?!\d|[.,]\d|[%{COUNTED}])"), False),
    (re.compile(rf"(?<=[楼樓栋棟])(?P<n>\d{{3,4}}){_END}(?![{COUNTED}])"), False),
    (re.compile(r"(?<=[GDCZTKYLSgdczt])(?P<n>\d{3,4})(?=次)"), False),
    (
        re.compile(
            rf"{_NOT_INSIDE}(?P<n>\d{{3,}})(?=[A-Z](?![A-Za-z]))(?![{UNIT_LETTERS}])"
            r"(?!B\s?(?:参数|參數|模型|大模型|级|級|规模))"
        ),
        False,
    ),
    (re.compile(rf"{_NOT_INSIDE}(?<![A-Za-z])(?P<n>\d{{9,}}(?<!000)){_END}(?![{COUNTED}])"), False),
]
