#include "textflag.h"

// func hammingAVX512(out *uint16, q, rows *uint64, words, n int)
//
// The words that do not fill a register are loaded under a mask, which suppresses faults beyond the end of rows.
TEXT ·hammingAVX512(SB), NOSPLIT, $0-40
	MOVQ out+0(FP), DI
	MOVQ q+8(FP), SI
	MOVQ rows+16(FP), BX
	MOVQ words+24(FP), R8
	MOVQ n+32(FP), DX

	MOVQ R8, CX
	ANDQ $7, CX
	MOVQ $1, R9
	SHLQ CX, R9
	DECQ R9
	KMOVW R9, K1
	MOVQ R8, R10
	ANDQ $~7, R10
	SHLQ $3, R10
	SHLQ $3, R8
	VMOVDQU64.Z (SI)(R10*1), K1, Z9

row:
	VPXORQ Z0, Z0, Z0
	XORQ AX, AX

full:
	CMPQ AX, R10
	JGE  tail
	VMOVDQU64 (BX)(AX*1), Z1
	VPXORQ (SI)(AX*1), Z1, Z1
	VPOPCNTQ Z1, Z1
	VPADDQ Z1, Z0, Z0
	ADDQ $64, AX
	JMP  full

tail:
	VMOVDQU64.Z (BX)(R10*1), K1, Z1
	VPXORQ Z9, Z1, Z1
	VPOPCNTQ Z1, Z1
	VPADDQ Z1, Z0, Z0

	VEXTRACTI64X4 $1, Z0, Y1
	VPADDQ Y1, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ X1, X0, X0
	VPSRLDQ $8, X0, X1
	VPADDQ X1, X0, X0
	VMOVD X0, AX
	MOVW AX, (DI)

	ADDQ $2, DI
	ADDQ R8, BX
	DECQ DX
	JNZ  row
	VZEROUPPER
	RET

// func hammingPopcnt(out *uint16, q, rows *uint64, words, n int)
TEXT ·hammingPopcnt(SB), NOSPLIT, $0-40
	MOVQ out+0(FP), DI
	MOVQ q+8(FP), SI
	MOVQ rows+16(FP), BX
	MOVQ words+24(FP), R8
	MOVQ n+32(FP), DX

nextRow:
	XORQ R9, R9
	XORQ CX, CX

nextWord:
	MOVQ (BX)(CX*8), AX
	XORQ (SI)(CX*8), AX
	POPCNTQ AX, AX
	ADDQ AX, R9
	INCQ CX
	CMPQ CX, R8
	JLT  nextWord

	MOVW R9, (DI)
	ADDQ $2, DI
	LEAQ (BX)(R8*8), BX
	DECQ DX
	JNZ  nextRow
	RET
