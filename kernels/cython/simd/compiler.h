/* Whether the compiler has GNU C's vector types, builtins and assembly: GCC, and Clang under all its names
   (clang-cl, which takes MSVC's place on Windows, does not call itself __GNUC__). MSVC has none of it;
   FASTNN_SCALAR makes any compiler compile what is left for it. */

#ifndef FASTNN_COMPILER_H
#define FASTNN_COMPILER_H

#if (defined(__GNUC__) || defined(__clang__)) && !defined(FASTNN_SCALAR)
#define GNU_C
#endif

/* The compiler as `fastnn info` names it, for what it lacks. */
#define COMPILER_TEXT_(X) #X
#define COMPILER_TEXT(X) COMPILER_TEXT_(X)
#if defined(__clang__)
#define COMPILER "Clang " COMPILER_TEXT(__clang_major__)
#elif defined(_MSC_VER)
#define COMPILER "MSVC " COMPILER_TEXT(_MSC_VER)
#elif defined(__GNUC__)
#define COMPILER "GCC " COMPILER_TEXT(__GNUC__)
#else
#define COMPILER "this compiler"
#endif

#endif
