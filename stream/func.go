package stream

import (
	"fmt"
	"path"
	"reflect"
	"runtime"
	"strings"
)

// Func is what a flow says of a Go function that one of its steps runs.
//
// What a function does cannot be seen from outside. Its Version stands for it: raise it when the function
// yields other results than before for the same rows, and all its rows are computed anew; leave it when
// the function merely became faster or better to read. The columns that it reads, and their types, are
// watched without it.
//
// The function must be deterministic and free of side effects: it may be called again for a row, at any
// time, and from several goroutines at once. An error that it returns rejects the row, and so does a
// panic; the others go on. What expires, waits or costs money belongs into a [Model].
type Func struct {
	Version int
	StepOptions
}

// Version is a Func that says nothing but its version.
func Version(n int) Func { return Func{Version: n} }

// functionName is the name of a function as a reader of a stack trace knows it, without the path of its
// package.
func functionName(fn any) string {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return ""
	}
	return path.Base(runtime.FuncForPC(v.Pointer()).Name())
}

// Guard makes an error of a panic of a user's function, so that it costs one row and not the flow. It is
// to be deferred by the one who calls the function:
//
//	defer stream.Guard(fn, &err)
//
// The error names the function and the line. A stack that overflows and maps that are written at once by
// several goroutines end the process nevertheless: Go lets nobody recover from these.
func Guard(fn any, err *error) {
	what := recover()
	if what == nil {
		return
	}
	*err = fmt.Errorf("call %s: panic%s: %v", functionName(fn), panicPlace(), what)
}

// panicPlace is the line that panicked. The stack holds, from the inside out: this code, the runtime's
// panic, what panicked.
func panicPlace() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") && f.File != "" {
			return fmt.Sprintf(" at %s:%d", path.Base(f.File), f.Line)
		}
		if !more {
			return ""
		}
	}
}

// noFunction is the fault of a step that was given nil.
func noFunction() *Problem {
	return &Problem{Code: "missing_key", Message: "the step has no function", Hint: "give the function that it runs"}
}
