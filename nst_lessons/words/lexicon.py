"""Lesson 15: the words. What can be said, in English and in Chinese, and which concept each word stands for.

A concept is "kind:name". Kinds: color, scene (a set of colors), texture, mark, scale, name (a painter, a movement), and filler, which is
known to say nothing about style. A Chinese word may stand anywhere in a sentence without spaces.
"""

COLORS = {
    "red": ("red crimson scarlet vermilion ruby", "红 红色 大红 朱红 深红 鲜红 赤"),
    "orange": ("orange tangerine amber", "橙 橙色 橘 橘色 橘红 橙红"),
    "gold": ("gold golden ochre", "金 金色 金黄 赭"),
    "yellow": ("yellow lemon", "黄 黄色 明黄 鹅黄 柠檬黄"),
    "green": ("green emerald olive", "绿 绿色 翠绿 草绿 墨绿 翠"),
    "turquoise": ("turquoise teal cyan aqua", "青 青色 青绿 碧绿 湖蓝 绿松石"),
    "blue": ("blue indigo cobalt navy azure ultramarine dark+blue deep+blue light+blue", "蓝 蓝色 深蓝 靛蓝 蔚蓝 天蓝 宝蓝 浅蓝"),
    "purple": ("purple violet lilac lavender", "紫 紫色 紫罗兰 淡紫 深紫"),
    "pink": ("pink rose magenta", "粉 粉色 粉红 玫红 桃红"),
    "brown": ("brown sepia umber chestnut", "棕 棕色 褐 褐色 咖啡色"),
    "gray": ("gray grey silver", "灰 灰色 银 银灰"),
    "black": ("black", "黑 黑色 漆黑"),
    "white": ("white cream ivory", "白 白色 雪白 米白"),
}
SCENES = {                                                       # a scene: its words and its colors
    "night": ("night night+sky starry starry+night stars midnight", "夜 夜空 夜晚 星空 星夜 星星 夜色", "blue yellow"),
    "sea": ("sea ocean water", "海 大海 海水 海洋", "blue turquoise white"),
    "sky": ("sky clouds", "天空 云 云朵", "blue white"),
    "autumn": ("autumn fall leaves", "秋 秋天 秋叶 落叶 枫叶", "red orange gold"),
    "sunset": ("sunset dusk evening", "日落 夕阳 黄昏 晚霞", "orange pink purple"),
    "dawn": ("dawn sunrise morning", "日出 黎明 朝霞 清晨", "gold pink blue"),
    "forest": ("forest woods trees", "森林 树林 林间", "green brown"),
    "spring": ("spring garden flowers blossoms", "春 春天 花园 花朵 樱花", "green pink white"),
    "desert": ("desert sand dunes", "沙漠 沙丘 沙", "gold brown"),
    "fire": ("fire flame flames lava burning", "火 火焰 烈火 燃烧 岩浆", "red orange yellow"),
    "winter": ("winter snow ice frost", "冬 冬天 雪 雪地 冰", "white blue gray"),
    "storm": ("storm stormy thunder", "暴风雨 风暴 乌云", "gray blue white"),
    "wheat": ("wheat field wheat+field", "麦田 麦浪 田野", "gold yellow blue"),
    "candy": ("pastel candy sweet", "粉彩 糖果 马卡龙", "pink turquoise white"),
    "mono": ("monochrome black+and+white", "黑白 单色", "black white"),
}
TEXTURES = {
    "swirls": ("swirl swirls swirling whirl whirls whirling vortex spiral spirals eddies curling turning",
               "旋转 漩涡 旋涡 涡旋 盘旋 螺旋 卷曲 回旋"),
    "waves": ("wave waves wavy flowing rippling ripples undulating streaming", "波浪 海浪 波涛 起伏 流动 流淌 波纹 涟漪"),
    "rays": ("ray rays radiating radial sunburst bursting exploding", "放射 光芒 四射 迸发 辐射 光线"),
    "slanting": ("slanting slanted diagonal straight parallel rain", "斜 倾斜 斜线 平行 雨丝 笔直"),
    "tangled": ("tangled scattered chaotic wild random crossing turbulent", "杂乱 散乱 散落 交错 狂乱 纷乱 凌乱"),
}
MARKS = {
    "brush": ("stroke strokes brush brushstroke brushstrokes brush+strokes impasto oil oil+paint oil+painting painterly",
              "笔触 油画 厚涂 刷痕 油彩 笔刷 颜料"),
    "dots": ("dot dots dotted points spots stippled", "点 圆点 点点 斑点 小点 点状"),
    "tiles": ("mosaic tiles tile stones tesserae", "马赛克 镶嵌 瓷砖 石子 碎石"),
    "glass": ("stained+glass glass panes leaded", "彩色玻璃 彩绘玻璃 花窗 玻璃"),
    "ink": ("ink inky calligraphy calligraphic washes wet", "墨 墨迹 毛笔 泼墨 书法 晕染"),
    "lines": ("woodcut engraved engraving etched hatching hatched lines carved linocut", "木刻 版画 线条 刻线 排线 雕刻 铜版"),
    "facets": ("facets angular geometric shards crystals polygons triangles", "几何 块面 棱角 碎片 三角 晶体 多边形"),
}
SCALES = {
    "fine": ("fine thin delicate small tiny little subtle", "细 细腻 纤细 小 精细 细密 细小 微小"),
    "medium": ("medium middle", "中等 适中"),
    "large": ("thick large big broad bold huge coarse heavy wide", "粗 粗犷 粗大 大 宽 宽阔 豪放 厚重 浓重 巨大 大胆"),
}
NAMES = {                                     # words; school of the museum ("": none); colors, texture, mark, scale
    "van_gogh": ("van+gogh vincent+van+gogh gogh", "梵高 凡高 文森特梵高", "starry", "blue yellow", "swirls", "brush", "large"),
    "post_impressionism": ("post-impressionism post-impressionist gauguin cezanne", "后印象派 后印象主义 高更 塞尚", "wheat_field",
                           "blue gold yellow", "waves", "brush", "large"),
    "impressionism": ("impressionism impressionist monet claude+monet renoir turner", "印象派 印象主义 莫奈 雷诺阿 透纳", "sunset_harbor",
                      "blue orange purple", "tangled", "brush", "fine"),
    "ukiyo_e": ("ukiyo-e ukiyoe hokusai hiroshige japanese great+wave", "浮世绘 葛饰北斋 北斋 歌川广重 日本 神奈川冲浪里", "waves",
                "blue white gold", "waves", "lines", "large"),
    "pointillism": ("pointillism pointillist seurat signac", "点彩 点彩派 点彩画 修拉 西涅克", "pointillism",
                    "green orange blue", "tangled", "dots", "fine"),
    "cubism": ("cubism cubist picasso braque", "立体派 立体主义 毕加索 布拉克", "cubist", "brown gray gold", "rays", "facets", "large"),
    "ink_wash": ("ink+wash ink+painting chinese+painting chinese+landscape sumi-e shan+shui qi+baishi",
                 "水墨 水墨画 水墨山水 山水 山水画 国画 中国画 齐白石 张大千 徐悲鸿 八大山人", "ink_wash",
                 "black gray white", "waves", "ink", "medium"),
    "gothic": ("gothic cathedral chartres", "哥特 哥特式 教堂", "stained_glass", "red blue yellow", "rays", "glass", "medium"),
    "byzantine": ("byzantine ravenna gaudi roman", "拜占庭 高迪 罗马", "mosaic", "turquoise gold white", "waves", "tiles", "medium"),
    "duerer": ("dürer durer duerer medieval", "丢勒 中世纪", "woodcut", "black white", "slanting", "lines", "fine"),
    "fauvism": ("fauvism fauvist matisse expressionism expressionist", "野兽派 野兽主义 马蒂斯 表现主义", "autumn_forest",
                "red orange green", "slanting", "brush", "large"),
    "klimt": ("klimt gustav+klimt", "克里姆特", "", "gold black brown", "swirls", "tiles", "fine"),
    "munch": ("munch edvard+munch scream", "蒙克 呐喊", "", "orange blue brown", "waves", "brush", "large"),
    "kandinsky": ("kandinsky abstract", "康定斯基 抽象 抽象派", "", "red blue yellow", "tangled", "facets", "large"),
    "pollock": ("pollock jackson+pollock drip", "波洛克 滴画", "", "black white gold", "tangled", "ink", "large"),
    "porcelain": ("porcelain delft blue+and+white+porcelain", "青花 青花瓷 瓷器", "", "blue white", "swirls", "ink", "fine"),
    "papercut": ("papercut paper-cut paper+cut", "剪纸 窗花", "", "red white", "swirls", "lines", "large"),
    "blue_green": ("blue-green+landscape wang+ximeng", "青绿山水 千里江山图 王希孟", "", "green turquoise gold", "waves", "ink", "large"),
    "dunhuang": ("dunhuang", "敦煌 壁画 飞天", "", "turquoise brown red", "swirls", "brush", "fine"),
    "mucha": ("mucha art+nouveau", "穆夏 新艺术", "", "gold pink green", "swirls", "lines", "medium"),
}
FILLERS = ("a an the of in on with and by like as from to at made painted painting paintings picture style styles color colors colour colours "
           "texture pattern",
           "的 风格 画 画风 画作 和 与 用 以 一幅 幅 上 里 中 是 像 般 着 地 了 派 色 色彩 调 笔下 作品 绘画 图 样式 纹理 画的 之")

# What is not said comes from the mark, as a school of the museum has it; and the mark, when nothing is said of it, is the brush.
OF_MARK = {                                   # school, colors, texture, scale
    "brush": ("wheat_field", "blue gold yellow", "waves", "medium"),
    "dots": ("pointillism", "green orange blue", "tangled", "medium"),
    "tiles": ("mosaic", "turquoise gold white", "waves", "medium"),
    "glass": ("stained_glass", "red blue yellow", "rays", "medium"),
    "ink": ("ink_wash", "black gray white", "waves", "medium"),
    "lines": ("woodcut", "black white", "slanting", "medium"),
    "facets": ("cubist", "brown gray gold", "tangled", "medium"),
}
SCHOOLS = ("", "starry", "waves", "stained_glass", "ink_wash", "woodcut", "mosaic", "pointillism", "wheat_field", "sunset_harbor",
           "autumn_forest", "cubist")


def _forms(english, chinese):
    """"night+sky stars", "夜空" → ["night sky", "stars", "夜空"]."""
    return [word.replace("+", " ") for word in f"{english} {chinese}".split()]


def _all():
    tables = {"color": COLORS, "scene": SCENES, "texture": TEXTURES, "mark": MARKS, "scale": SCALES, "name": NAMES,
              "filler": {"filler": FILLERS}}
    return {f"{kind}:{name}": _forms(*entry[:2]) for kind, table in tables.items() for name, entry in table.items()}


WORDS_OF = _all()                                                # {concept: [word, …]}
CONCEPT_OF = {word: concept for concept, words in WORDS_OF.items() for word in words}
