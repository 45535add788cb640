/* Code repeated for constants 1 to N: UP_TO(N)(DO, X) is DO(1, X) DO(2, X) … DO(N, X). */

#ifndef FASTNN_REPEAT_H
#define FASTNN_REPEAT_H

#define UP_TO_1(DO, X) DO(1, X)
#define UP_TO_2(DO, X) UP_TO_1(DO, X) DO(2, X)
#define UP_TO_3(DO, X) UP_TO_2(DO, X) DO(3, X)
#define UP_TO_4(DO, X) UP_TO_3(DO, X) DO(4, X)
#define UP_TO_5(DO, X) UP_TO_4(DO, X) DO(5, X)
#define UP_TO_6(DO, X) UP_TO_5(DO, X) DO(6, X)
#define UP_TO_7(DO, X) UP_TO_6(DO, X) DO(7, X)
#define UP_TO_8(DO, X) UP_TO_7(DO, X) DO(8, X)
#define UP_TO_9(DO, X) UP_TO_8(DO, X) DO(9, X)
#define UP_TO_10(DO, X) UP_TO_9(DO, X) DO(10, X)
#define UP_TO_11(DO, X) UP_TO_10(DO, X) DO(11, X)
#define UP_TO_12(DO, X) UP_TO_11(DO, X) DO(12, X)
#define UP_TO_13(DO, X) UP_TO_12(DO, X) DO(13, X)
#define UP_TO_14(DO, X) UP_TO_13(DO, X) DO(14, X)

#define UP_TO_(N) UP_TO_##N
#define UP_TO(N) UP_TO_(N) /* N may be a macro */

#endif
