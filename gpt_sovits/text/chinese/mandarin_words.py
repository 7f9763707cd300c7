"""Tables of what the dictionaries lack about Mandarin words: readings in context, neutral tones, surnames, erhua.

These tables are this project's own, from knowledge of the language. They correct and complete pypinyin's dictionary of
phrases, which gives citation tones and one reading for each single character.
"""

# ruff: noqa: SIM905 - tables of short words read better as text
import functools

NUMERALS = "零一二两三四五六七八九十百千万亿几半数多"
# character, its default reading / another reading and its contexts, each written as: text before _ text after. N is a
# numeral or 这那每哪各某, ^ the start of a phrase, $ its end. The first context that fits wins
CONTEXTS = """
得 de5 / dei3 _了解 / de2 _了 _到 _奖 _分 _冠军 _第 / dei3 还_ 就_ 都_ 也_ 必_ 总_ 非_ 才_ 可_ 又_ 只_ ^_ 你_ 我_
    他_ 她_ 们_
地 di4 / de5 慢慢_ 地地_ 然_ 渐渐_ 悄悄_ 静静_ 默默_ 轻轻_ 深深_ 高兴_ 快速_ 不断_ 不停_ 迅速_ 认真_ 仔细_ 努力_
    顺利_ 大声_ 小声_
了 le5 / liao3 受不_ 吃不_ 去不_ 来不_ 走不_ 做不_ 用不_ 忘不_ 少不_ 免不_ 离不_ 得_$ 大不_ 错不_
着 zhe5 / zhao2 _火 _凉 _急 _迷 _魔 _慌 睡_ 睡不_ 睡得_ 找不_ 找得_ 够不_ 用不_ 用得_ 猜_ 猜不_ 摸不_
还 hai2 / huan2 _钱 _债 _款 _清 _书 _给 _掉 _贷 _车 _了 _不起 _回来 归_ 偿_ 退_ 送_ 奉_ 生_ 交_ 要_$
都 dou1 / du1 首_ 古_ 故_ 成_ 京_ 国_ 帝_ 迁_ 建_ 定_ _市 _城
长 chang2 / zhang3 _公主 _女 _孙 _兄 _姐 _者 _大 _高 _成 _出 _胖 _满 _毛 _草 _牙 _得 _辈 _老 _官 _子 校_ 局_ 院_
    市_ 省_ 县_ 部_ 队_ 班_ 组_ 团_ 会_ 家_ 师_ 船_ 机_ 站_ 店_ 行_ 科_ 处_ 厂_ 村_ 镇_ 书_ 董事_ 首_ 生_ 增_
    助_
重 zhong4 / chong2 _新 _复 _来 _做 _写 _建 _启 _返 _申 _装 _置 _逢 _叠 _组 _播 _试 _演 _拍 _庆 _温 _奏 _洋 _阳
    双_ N_奏 N_ 多_
为 wei2 / wei4 _你 _我 _他 _她 _它 _您 _谁 _咱 _大家 _各位 _自己 _此 _什么 _人民 _何 _了 _名利 _客户 _用户 _孩子
    _祖国 _国 _民 _顾客 _病人 _学生 _社会 _人类 因_
种 zhong3 / zhong3 N_ / zhong4 _在 _了 _着 _树 _田 _花 _菜 _地 _植 _下 _瓜 _粮 _草 _豆 _水稻 _小麦 _果树 _上 接_
    播_ 耕_ 栽_ 种_
只 zhi3 / zhi1 N_ 有_ 养_ 船_ 一只_ _身 _言
行 xing2 / hang2 N_ 第_ 银_ 同_ 内_ 外_ 本_ 商_ 分_ 总_ 央_ 投_ 农_ 招_ 工_ 支_ 各_ 排_ 换_ _业 _情 _长 _家 _列
    _距 _规
数 shu4 / shu3 _一下 _了数 _了钱 _了半天 数了_ _一数 _不清 _得 _钱 _到 _着 _数 _星星 _落 _九 数一_ 数_ 倒_ 可_ 细_
干 gan4 / gan1 _净 _燥 _旱 _杯 _脆 _涉 _扰 _预 _枯 _湿 _草 _货 _果 _粮 _洗 _冰 _巴 _瘪 衣服_ 晒_ 擦_ 吹_ 烘_ 口_
    风_ 饼_ 变_ 葡萄_ 豆腐_ 若_ 相_
发 fa1 / fa4 头_ 理_ 毛_ 白_ 黑_ 金_ 短_ 秀_ 假_ 染_ 烫_ 剪_ 护_ 洗_ 卷_ _型 _廊 _际 _丝 _夹 _胶
背 bei4 / bei4 _上背 _上的 _上有 _上长 _上痛 在_上 / bei1 _着 _上 _包 _起 _负 _书包 _带
倒 dao4 / dao4 _了杯 _了一杯 _杯 _水 _茶 _酒 _垃圾 水_ 茶_ 酒_ 油_ 汤_ 饭_ 奶_ 垃圾_ 咖啡_ / dao3 _了 _下 _在
    _塌 _闭 _霉 _地 _卖 摔_ 跌_ 打_ 推_
    病_ 晕_ 颠_ 绊_ 倾_ 难_
空 kong1 / kong4 _着 _出 _格 _位 _白 _闲 _地 _缺 _隙 _暇 有_ 没_ 没有_ 抽_ 填_ 亏_
中 zhong1 / zhong4 打_ 射_ 击_ 命_ 猜_ 选_ 考_ 看_ 说_ 押_ _奖 _毒 _弹 _标 _暑 _风 _计 _枪 _彩 _招 _意
教 jiao4 / jiao1 _教 _教育 老师_ _体育 _音乐 _化学 _物理 _历史 _什么 _学生 _我 _你 _他 _她 _书 _会 _课 _过 _了
    _得 _人 _孩子 _小 _数学 _英 _汉 _语 _中文 _唱 _给
假 jia3 / jia4 放_ 请_ 休_ 病_ 事_ 年_ 产_ 寒_ 暑_ 婚_ 度_ 长_ _期 _日 _条
没 mei2 / mo4 _收 _落 _入 淹_ 埋_ 沉_ 出_ 吞_ 湮_ 覆_
应 ying1 / ying4 反_ 回_ 响_ 答_ 适_ 对_ 供_ 感_ 效_ 呼_ 顺_ 相_ 报_ _用 _对 _付 _聘 _邀 _急 _试 _变 _答 _战 _征
    _验
当 dang1 / dang4 _作 _成 _真 _铺 _做 上_ 恰_ 适_ 妥_ 正_ 得_ 典_
分 fen1 / fen4 成_ 水_ 养_ 盐_ 糖_ 过_ 缘_ 身_ 本_ 部_ 名_ 股_ 组_ 知识_ 安_ _子 _量 _内
处 chu4 / chu3 _理 _罚 _分 _于 _在 _境 _方 _女 _世 _死 _决 _置 _事 _暑 相_ 共_ 独_ 惩_
转 zhuan3 / zhuan4 旋_ 公_ 自_ 打_ 空_ 团团_ _圈 _盘 _速 _椅 _悠 _了一圈 _来转去
卷 juan4 / juan3 _积 _起 _入 _走 _心 _发 _曲 _纸 _烟 _毛 _土 _尺 席_ 龙_ 花_ 蛋_ 春_ 铺_ 胶_ 内_
量 liang4 / liang2 _了 量了_ 量一_ _着 _体重 _一下 量_量 _体温 _身高 _血压 _一量 _尺寸 测_ 衡_ 丈_ 估_ 打_
    商_ 思_
调 diao4 / tiao2 _整 _节 _解 _试 _和 _料 _味 _皮 _控 _戏 _停 _侃 _色 _制 _配 _频 _高 _低 _小 _大 _到 _好 _亮 _暗
    _慢 _快 _参 _音 _理 协_ 烹_ 空_ 失_ 微_
相 xiang1 / xiang4 _片 _机 _声 _貌 _册 _位 _术 _框 照_ 真_ 长_ 首_ 丞_ 宰_ 外_ 亮_ 洋_ 三_ 卖_
降 jiang4 / xiang2 投_ 归_ 受_ 劝_ 诈_ _服 _龙
传 chuan2 / zhuan4 _记 自_ 别_ 外_ 列_ 水浒_ 评_ 经_
弹 tan2 / dan4 炮_ 子_ 导_ 炸_ 枪_ 氢_ 原子_ 核_ 飞_ 手榴_ _药 _头 _片 _壳 _道 _丸 _夹
载 zai4 / zai3 记_ 登_ 刊_ 转_ 连_ 一年半_ 千_
曲 qu1 / qu3 歌_ 作_ 编_ 乐_ 戏_ 舞_ 插_ 序_ 进行_ 主题_ 协奏_ 交响_ 圆舞_ 元_ 名_ 一_ 首_ 谱_ _目 _子 _谱 _艺
    _调
散 san4 / san3 _文 _漫 _装 _沙 _件 _户 _客 _打 松_ 懒_ 零_ 闲_
省 sheng3 / xing3 反_ 自_ 内_ 深_ _亲 _悟
盛 sheng4 / cheng2 _饭 _汤 _满 _水 _菜 _着 _放
舍 she3 / she4 宿_ 校_ 农_ 寒_ 房_ 牛_ 猪_
系 xi4 / xi4 学_ 文_ 语_ 数_ 法_ 史_ 理_ 术_ 商_ 医_ 乐_ 体_ 关_ 联_ 派_ 星_ 母_ 父_ 直_ 嫡_ 全_ 本_ / ji4 _鞋带
    _领带 _围巾 _扣子 _腰带 _绳 _蝴蝶结 _上 _安全带 _好 _紧 _着 _在
藏 cang2 / zang4 西_ 宝_ 青_ 川_ _族 _文 _语 _区 _民 _医 _獒 _历
乐 le4 / yue4 音_ 奏_ 声_ 民_ 礼_ 摇滚_ 爵士_ 管弦_ 交响_ 配_ 器_ _队 _团 _曲 _器 _谱 _章 _坛 _理 _府 _师 _手
    _迷 _感 _声
朝 chao2 / zhao1 今_ 一_ _气 _霞 _夕 _露 _晖 _三暮四
更 geng4 / geng1 _新 _换 _改 _正 _替 _名 _衣 _迭 _年期 变_ 三_ 五_
差 cha4 / cha1 _别 _异 _距 _额 _价 _错 _值 _分 误_ 时_ 温_ 逆_ 顺_ 落_ 偏_ 反_ 色_ 公_ 级_ 方_ 标准_ 相_ 残_ 极_
    / chai1 出_ 邮_ 钦_ 信_ _遣 _使 _事
参 can1 / shen1 人_ 海_ 党_ 西洋_ / cen1 _差
强 qiang2 / qiang3 _迫 _求 _词 _辩 _颜 勉_ 牵_ / jiang4 倔_
率 lv4 / shuai4 _领 _先 _真 _性 _队 _军 _众 _直 草_ 轻_ 坦_ 表_ 统_ 直_
少 shao3 / shao4 _年 _女 _儿 _爷 _妇 _将 _林 _先队 _校 _帅 _男 青_ 老_
角 jiao3 / jue2 _色 _逐 _斗 主_ 配_ 丑_ 名_ 旦_
觉 jue2 / jiao4 睡_ 睡了一_ 午_ 懒_ 睡一_ 睡个_ 睡好_
薄 bao2 / bo2 单_ 浅_ 淡_ 稀_ 微_ 刻_ 轻_ _弱 _利 _情 _膜 _雾 / bo4 _荷
露 lu4 / lou4 _馅 _面 _头 _脸 _富 _一手 _怯 _底 _马脚
尽 jin4 / jin3 _管 _量 _快 _早 _可能 _先
将 jiang1 / jiang4 大_ 上_ 中_ 名_ 老_ 猛_ 武_ 主_ 健_ 干_ 良_ 虎_ 麻_ _领 _士 _帅 _才 _官 _校
称 cheng1 / chen4 _心 _职 对_ 匀_ 相_
宁 ning2 / ning4 _可 _愿 _肯 _死 _缺
铺 pu1 / pu4 店_ 床_ 卧_ 当_ 药_ 上_ 下_ 中_
看 kan4 / kan1 _守 _门 _护 _家 _管 _押
咽 yan4 / yan1 _喉 _炎 _拭 / ye4 哽_ 呜_
扇 shan4 / shan1 _动 _风 _耳光 _了 _扇 _着
创 chuang4 / chuang1 _伤 _口 _可贴 _面 重_ 受_
和 he2 / he2 _面包 _面条 _面试 _面对 _泥石流 _泥土 / huo4 _稀泥 / huo2 在_泥 玩_泥 来_泥 会_泥 去_泥 在_面 来_面
    学_面 会_面 / huo5 暖_ 软_ 热_ 搅_ 掺_ / he4 附_ 唱_
恶 e4 / e3 _心 / wu4 可_ 厌_ 憎_ 深_
模 mo2 / mu2 _样 _板 _具 _子
蒙 meng2 / meng3 _古 内_ 外_
屏 ping2 / bing3 _住 _息 _气 _弃 _除
给 gei3 / ji3 _予 _养 供_ 补_ 自_ 配_
奇 qi2 / ji1 _数 _偶
禁 jin4 / jin1 _不住 _得住 _受 不自_ 弱不_
劲 jin4 / jing4 _敌 _旅 _松 强_ 苍_ 刚_
会 hui4 / kuai4 _计 财_
校 xiao4 / jiao4 _对 _正 _准 _验 _订 _样
切 qie1 / qie4 一_ 亲_ 密_ 急_ 迫_ 关_ 确_ 深_ 真_ 恳_ 热_ 贴_ 适_ _记 _实 _身 _忌 _合 _勿 _换
缝 feng2 / feng4 裂_ 门_ 牙_ 墙_ 夹_ 无_ 接_ _隙
间 jian1 / jian4 _接 _隔 _谍 _歇 _断 _或 _距
挑 tiao1 / tiao3 _战 _拨 _衅 _灯 _逗 _动
似 si4 / shi4 _的
供 gong1 / gong4 _奉 _品 _桌 _认 上_ 口_ 招_ 翻_
观 guan1 / guan4 道_ 白云_
冠 guan4 / guan1 皇_ 王_ 鸡_ 树_ 桂_ 衣_ _状 _冕
圈 quan1 / juan4 猪_ 羊_ 牛_ 马_
累 lei4 / lei3 积_ 连_ _计 _积 / lei2 _赘
论 lun4 / lun2 _语
石 shi2 / dan4 N_米
结 jie2 / jie1 _了果 _了不少 _出果 _出了果 _果子 _果实 _满 _瓜 开花_ 树上_ 会_果
撒 sa3 / sa1 _谎 _手 _娇 _尿 _野 _气 _开 _腿 _泼 _网 _了谎 _了手 _个谎 _个娇
钉 ding1 / ding4 _在 _上 _好 _了 _住 _牢 _死 _马掌 装_
幢 zhuang4
脯 fu3 / pu2 胸_
奔 ben1 / ben4 投_ 直_ _着 _向 _着前 _头
喝 he1 / he4 _彩 大_ _令 _道 吆_ _止 _问 怒_
呛 qiang1 / qiang4 _人 _鼻 够_ 太_
磨 mo2 / mo4 石_ _盘 _坊
吐 tu3 / tu4 呕_ 上_ _血 _奶
语 yu3
折 zhe2 / she2 _本 / zhe1 _腾
正 zheng4 / zheng1 _月
钻 zuan1 / zuan4 _石 _戒 _头 电_
作 zuo4 / zuo1 _坊
泡 pao4
沓 da2
嗯 en1
呃 e4
欸 ei4
哦 o4
噢 o1
哟 yo5
嘛 ma5
吧 ba5
呢 ne5
吗 ma5
啦 la5
啊 a5 / a1 ^_
呀 ya5
哇 wa5 / wa1 ^_
喽 lou5
们 men5
的 de5
子 zi3
"""

CORRECTIONS = {  # words whose reading in the dictionary of phrases is missing or wrong
    "不得了": "bu4 de2 liao3", "会不会": "hui4 bu5 hui4", "量子": "liang4 zi3", "种子": "zhong3 zi5",
    "电子": "dian4 zi3", "弟子": "di4 zi3", "大夫": "dai4 fu5", "地道": "di4 dao4", "朝阳": "chao2 yang2",
    "落下": "luo4 xia4", "重庆": "chong2 qing4", "还款": "huan2 kuan3", "还书": "huan2 shu1", "呼吁": "hu1 yu4",
    "好吃": "hao3 chi1", "多少": "duo1 shao5", "好处": "hao3 chu5", "一会儿": "yi1 hui4 er2", "哪儿": "na3 er2",
    "数一数": "shu3 yi1 shu3", "转身": "zhuan3 shen1", "转动": "zhuan4 dong4", "切菜": "qie1 cai4",
    "处理器": "chu3 li3 qi4", "血液": "xue4 ye4", "说服": "shuo1 fu2", "露馅": "lou4 xian4", "当作": "dang4 zuo4",
    "长处": "chang2 chu5", "住处": "zhu4 chu4", "为止": "wei2 zhi3", "人为": "ren2 wei2", "成都": "cheng2 du1",
    "行不行": "xing2 bu5 xing2", "了不起": "liao3 bu5 qi3", "对不起": "dui4 bu5 qi3", "看不起": "kan4 bu5 qi3",
    "来不及": "lai2 bu5 ji2", "差不多": "cha4 bu5 duo1", "长乐": "chang2 le4", "大厦": "da4 sha4",
    "厦门": "xia4 men2", "台州": "tai1 zhou1", "丽水": "li2 shui3", "六安": "lu4 an1", "蚌埠": "beng4 bu4",
    "果脯": "guo3 fu3", "胸脯": "xiong1 pu2", "和稀泥": "huo4 xi1 ni2", "数一下": "shu3 yi1 xia4",
    "单于": "chan2 yu2", "可汗": "ke4 han2", "吐蕃": "tu3 bo1", "龟兹": "qiu1 ci2", "大月氏": "da4 yue4 zhi1",
}  # fmt: skip

# words with two readings: {word: (reading, its contexts, written as above)}, before the dictionary's reading
WORD_CONTEXTS = {
    "朝阳": ("zhao1 yang2", "轮_ 迎着_ _升起 _初升 _东升 _似火 _产业 的_照"),
    "人为": ("ren2 wei4", "没_ 没有_ 有_我 有_你 有_他 有_她 无_ _他 _我 _你 _她 _您 _此 _谁"),
    "大意": ("da4 yi4", "文章_ 段落_ 中心_ 课文_ 故事_ _是"),
    "东西": ("dong1 xi1", "_方向 _走向 _两侧 _两边 _两端 _两岸 _南北"),
    "地道": ("di4 dao5", "很_ 真_ 最_ 正宗_ 更_ 不_"),
    "和泥": ("he2 ni2", "水_ 土_ 沙_ 石_ 草_ 木_"),
    "丽都": ("li4 dou1", "王_ 李_ 张_ 刘_ 陈_ 杨_ 赵_ 黄_ 周_ 吴_ 徐_ 孙_ 朱_ 马_ 胡_ 林_ 郭_ 何_ 高_ 罗_ 郑_ 梁_ 美_"),
    "孙子": ("sun1 zi3", "_兵法 _曰"),
    "精神": ("jing1 shen2", "_上 _病 _分析 _文明 _损失 _状态 _生活 _世界 _科 _鼓励 _力量 _压力"),
}

# the last syllable of these has the neutral tone
NEUTRAL = set(
    "谢谢 石头 木头 骨头 舌头 馒头 枕头 念头 锄头 斧头 芋头 罐头 砖头 甜头 盼头 派头 势头 风头 "
    "东西 朋友 先生 学生 太太 时候 知道 告诉 明白 清楚 漂亮 衣服 豆腐 葡萄 萝卜 月亮 眼睛 耳朵 头发 "
    "舒服 喜欢 认识 休息 打听 打算 商量 意思 事情 关系 消息 麻烦 客气 便宜 暖和 凉快 热闹 聪明 糊涂 "
    "老实 窗户 钥匙 玻璃 石榴 核桃 蘑菇 狐狸 骆驼 刺猬 风筝 灯笼 胳膊 指甲 嘴巴 脑袋 屁股 干净 结实 "
    "扎实 什么 怎么 这么 那么 爸爸 妈妈 哥哥 姐姐 弟弟 妹妹 爷爷 奶奶 姥姥 姥爷 叔叔 舅舅 姑姑 婶婶 "
    "伯伯 公公 婆婆 娃娃 宝宝 星星 猩猩 太阳 云彩 味道 力气 名字 本事 故事 护士 大夫 丈夫 师傅 徒弟 "
    "亲戚 亲家 媳妇 姑娘 丫头 小伙子 老婆 女婿 兄弟 孩子 行李 包袱 毛病 脾气 福气 运气 规矩 招呼 吩咐 "
    "嘱咐 答应 收拾 打扮 打扫 折腾 应付 将就 琢磨 思量 合计 比方 动静 动弹 下巴 伺候 作坊 佩服 使唤 "
    "俏皮 利索 利落 功夫 勤快 厉害 厚道 口袋 含糊 咳嗽 哆嗦 唠叨 嘟囔 在乎 地方 外甥 大方 奴才 委屈 "
    "学问 实在 家伙 宽敞 对付 尾巴 工夫 差事 师父 帐篷 庄稼 张罗 念叨 惦记 扁担 打量 扫帚 抽屉 拳头 "
    "指头 挑剔 挖苦 搭理 摆布 收成 新鲜 早上 晚上 晃荡 晌午 机灵 柴火 栅栏 梆子 棉花 棒槌 棺材 欺负 "
    "水灵 泥鳅 滑溜 烧饼 热乎 牌楼 牲口 甘蔗 生意 疙瘩 疟疾 痛快 白净 相声 眉毛 石匠 砚台 祸害 秀才 "
    "秧歌 称呼 窝囊 笑话 筷子 精神 糊弄 絮叨 罗嗦 老爷 耽搁 耽误 聋子 胡同 胡萝卜 能耐 脊梁 自在 芝麻 "
    "苗条 苍蝇 苦头 莲蓬 蒸笼 蚂蚁 蛤蟆 行当 衙门 见识 认得 记得 晓得 觉得 懂得 显得 值得 舍得 使得 "
    "免得 省得 算计 客人 人家 大爷 大娘 体面 便当 出息 女人 男人 包涵 门道 闺女 阔气 队伍 难为 露水 "
    "面子 高粱 鼻子 码头 粮食 首饰 部分 进项 迷糊 软和 造化 转悠 踏实 身份 跟头 跟前 轻巧 辈分 里面 "
    "外面 前面 后面 上面 下面 里边 外边 前边 后边 左边 右边 上边 下边 这边 那边 哪边 里头 外头 前头 "
    "后头 上头 下头 嫂子 影子 出来 出去 进来 进去 上来 上去 下来 下去 过来 过去 回来 回去 起来 看见 "
    "听见 遇见 碰见 为了 罢了 算了 除了 似的 有的 别的 真的 是的 好的 ".split()
)
FULL_ZI = set(  # in these 子 keeps its tone, elsewhere it is a suffix
    "男子 女子 电子 分子 原子 王子 公子 孔子 孟子 老子 庄子 量子 粒子 质子 中子 离子 光子 瓜子 棋子 "
    "莲子 弟子 君子 父子 母子 太子 天子 才子 学子 游子 浪子 因子 算子 核子 精子 卵子 鱼子 松子 童子 "
    "赤子 独生子 亲子 长子 次子 逆子 孝子 臣子 义子 介子 玻色子 费米子 中微子 乘子 之子 仙子 西子 "
    "荀子 韩非子 墨子 诸子 ".split()
)
DOUBLED_VERBS = "看听说想走坐试问等玩聊逛谈读写找学练尝笑歇查算数动管帮劝"  # 看看: the second is neutral

SURNAMES = dict(
    entry.split("=")
    for entry in "单=shan4 曾=zeng1 解=xie4 仇=qiu2 朴=piao2 任=ren2 华=hua4 查=zha1 区=ou1 盖=ge3 乐=yue4 宁=ning4 "
    "燕=yan1 葛=ge3 翟=zhai2 覃=qin2 缪=miao4 冼=xian3 黑=he4 种=chong2 尹=yin3".split()
)
TITLES = tuple("老师 先生 女士 小姐 太太 经理 医生 教授 同学 主任 某 氏 总 工 姓".split())
# in these 儿 is a full syllable, not a sign of erhua
FULL_ER = set(
    "女儿 男儿 婴儿 幼儿 孤儿 少儿 小儿 孩儿 胎儿 育儿 患儿 健儿 宠儿 混血儿 新生儿 早产儿 流浪儿 "
    "弃儿 幸运儿 妻儿 生儿 产儿 侄儿 孙儿 托儿 乞儿 龟儿 妞儿 儿 一儿 二儿 聋儿 可儿 ".split()
)


@functools.cache
def contexts() -> dict[str, tuple[str, list[tuple[str, list[tuple[str, str]]]]]]:
    """Return, by character: (default reading, [(other reading, [(text before, text after), ...]), ...])."""
    table = {}
    for line in CONTEXTS.strip().replace("\n    ", " ").splitlines():
        default, *others = line.split(" / ")
        character, reading = default.split()
        rules = []
        for other in others:
            sounds, *places = other.split()
            rules.append((sounds, [tuple(place.split("_")) for place in places]))
        table[character] = (reading, rules)
    return table


def reading_in_context(phrase: str, i: int) -> str | None:
    """Return the reading of the character at i of a phrase, None if the table does not have the character."""
    before, after = phrase[:i], phrase[i + 1 :]
    if phrase[i] in SURNAMES and (after.startswith(TITLES) or (before.endswith("姓") and not before.endswith("百姓"))):
        return SURNAMES[phrase[i]]
    if phrase[i] not in contexts():
        return None
    if phrase[i] == "地" and _is_repeated(before):
        return "de5"
    default, others = contexts()[phrase[i]]
    for reading, places in others:
        if any(
            _matches_context(before, left, at_end=True) and _matches_context(after, right, at_end=False)
            for left, right in places
        ):
            return reading
    return default


def _is_repeated(before: str) -> bool:
    """Return whether a text ends in a repeated measure, which describes how something is done: 一趟一趟, 一步步."""
    twice = len(before) > 3 and before[-4:-2] == before[-2:] and before[-2] in NUMERALS
    return twice or (len(before) > 2 and before[-3] in NUMERALS and before[-2] == before[-1])


def word_in_context(word: str, phrase: str, start: int) -> list[str] | None:
    """Return the reading of the word at phrase[start:] where its neighbours ask for another one than the dictionary."""
    if word not in WORD_CONTEXTS:
        return None
    reading, places = WORD_CONTEXTS[word]
    before, after = phrase[:start], phrase[start + len(word) :]
    matches = (
        _matches_context(before, left, at_end=True) and _matches_context(after, right, at_end=False)
        for left, right in (place.split("_") for place in places.split())
    )
    return reading.split() if any(matches) else None


def _matches_context(text: str, context: str, *, at_end: bool) -> bool:
    """Return whether the text ends (`at_end`) or begins with one side of a context."""
    if context in ("^", "$"):
        return not text
    if "N" in context:
        context = context.replace("N", "")
        before = text.removesuffix(context) if at_end else text
        return bool(before) and before[-1] in NUMERALS + "这那每哪各某" and text.endswith(context)
    return text.endswith(context) if at_end else text.startswith(context)
