"""Readings of Japanese words in context, where Open JTalk's dictionary has another one or does not know the word.

Each entry replaces the word by a spelling that Open JTalk reads as intended, with its accent. The entries are this
project's own. They change what is pronounced, and the normalized text keeps the writing of the user.
"""

import re

# words that are read differently beside others: (pattern, replacement)
CONTEXTS = [
    (r"彼女(?=らし)", "かのじょ"),
    (r"目と(?=[目耳鼻口手足心体頭])", "めと"),
    (r"(?<!\w)左は(?=[\s?!。、…]|$)", "ひだりは"),
    (r"人気(?=のない(?:道|路地|場所|森|夜道|公園|通り|部屋|家|校舎|境内|海|山|廊下|駅|町|街))", "ひとけ"),
    (r"市場(?=で(?:魚|野菜|果物|肉|花|買|働)|に買い物|の(?:魚|野菜|おばさん|おじさん))", "いちば"),
    (r"下手(?=に出)", "したて"),
    (r"辛(?=い(?:料理|カレー|もの|物|食べ物|味|ラーメン|スープ|麺|キムチ|唐辛子|わさび|ソース|鍋)|さ控えめ)", "から"),
    (r"(?<=カレー[がは])辛(?=[いくかさ])|(?<=スープ[がは])辛(?=[いくかさ])|(?<=唐辛子[がは])辛(?=[いくかさ])", "から"),
    (r"空(?=の(?:箱|瓶|ビン|缶|コップ|グラス|皿|財布|袋|容器|バケツ|ペット|ボトル|カップ|鍋|冷蔵庫)|っぽ)", "から"),
    (r"表(?=に出|へ出|で(?:待|遊|話)|の(?:通り|門|玄関)|側|と裏)|(?<=裏と)表", "おもて"),
    (r"(?<=オランダの)風車|風車(?=小屋|発電|の(?:羽根|国|風景))", "ふうしゃ"),
    (r"最中(?=を(?:食|買|頂|いただ|ほお)|と(?:お茶|羊羹)|の皮)|(?<=和菓子の)最中", "もなか"),
    (r"(?<=[窓ア扉戸門蓋穴鍵口]が)開(?=[いくかきけこ])", "明"),
    (r"(?<![害損恩恵罪惑響撃名益]を)被(?=[らりるれろっ])", "かぶ"),
    (r"(?<![心魂名血]が)汚(?=れ)", "よご"),
    (r"(?<=[水油雨泥指]を)弾(?=[いくかきけこ])|(?<=そろばんを)弾(?=[いくかきけこ])", "はじ"),
    (r"色紙(?=に(?:書|サイン|俳句|一筆|寄せ|言葉|メッセージ|似顔絵)|をもら)", "しきし"),
    (r"(?<=[んもみ供形坊子猫犬肩膝妻娘孫彼女]を)抱(?=[いくかきけこ])",
     "だ"),
    (r"(?<=腹が)空(?=[いくかきけ])|(?<=なかが)空(?=[いくかきけ])", "す"),
    (r"(?<![\w])金(?=を(?:払|借|貸|稼|使|出|渡|盗|返|取|もら|貯|数|下ろ|おろ|集)|が(?:ない|無い|ある|あれば|かか|足り|欲し|ほし|要))",
     "かね"),
    (r"(?<!\w)額(?=に(?:汗|しわ|皺|手|キス|傷)|の(?:汗|しわ)|を(?:拭|こす))", "ひたい"),
    (r"(?<=の)側(?=に(?:立|い[るたて]|座|居|置|寄|つ)|を離)", "そば"),
    (r"目下(?=の(?:人|者|相手|立場))", "めした"),
    (r"(?<![一-龯])種(?=を(?:ま|蒔|植|取|飛ば|吐)|から(?:芽|育)|が(?:芽|落)|まき)", "たね"),
    (r"(?<=[校学院社室場園塾店館ム]に)通(?=っ[たて])",
     "かよ"),
    (r"(?<![\d.,])20歳(?!児)", "二十歳"),
]  # fmt: skip
# verbs in rare kanji -> a spelling that the dictionary knows
RARE_KANJI = [
    (r"嗤", "笑"), (r"識(?=[らりるれろっ])", "知"), (r"彷徨(?=[いうえおわっ])", "さまよ"),
    (r"揶揄(?=[いうえおわっ])", "からか"), (r"蹲", "うずくま"), (r"捩(?=[らりるれろっ])", "ねじ"),
    (r"捻(?=[らりるれろっ])", "ひね"), (r"燻(?=[らりるれろっ])", "くすぶ"),
]  # fmt: skip

_RULES = [(re.compile(pattern), words) for pattern, words in RARE_KANJI + CONTEXTS]


def apply_readings(text: str) -> str:
    """Return the text with the words of the tables above in a spelling that Open JTalk reads as intended."""
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text
