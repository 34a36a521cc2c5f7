package rpc_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rpc"
)

func TestAnAddressIsReadOrRefused(t *testing.T) {
	for text, want := range map[string]string{
		"grpc://127.0.0.1:8815": "dns:///127.0.0.1:8815", "grpc+tcp://host:1/": "dns:///host:1", "grpc+tls://[::1]:8815": "dns:///[::1]:8815 tls",
		"unix:/run/w.sock": "unix:/run/w.sock", "unix:///run/w.sock": "unix:/run/w.sock", "grpc+unix:/run/w.sock": "unix:/run/w.sock", "grpc+unix:///run/w.sock": "unix:/run/w.sock",
		"host:8815": "", "http://host:1": "", "grpc://host": "", "unix:": "", "": "", "grpc://host:": "",
	} {
		a, err := rpc.ParseAddress(text)
		got := a.Target
		if a.Secure {
			got += " tls"
		}
		if (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%q is read as %q (%v), want %q", text, got, err, want)
		}
	}
}

func TestAFaultIsThatOfARowOrOfTheServer(t *testing.T) {
	for _, x := range []struct {
		code    codes.Code
		message string
		want    accel.Kind
	}{
		{codes.Unavailable, "connection refused", accel.Unavailable}, {codes.Internal, "broken", accel.Unavailable}, {codes.PermissionDenied, "no", accel.Auth},
		{codes.NotFound, "no such model", accel.UnknownModel}, {codes.InvalidArgument, "too long", accel.Rejected}, {codes.Internal, "CUDA out of memory", accel.OutOfMemory},
	} {
		if got := rpc.Fault("server", status.Error(x.code, x.message)); got.Kind != x.want {
			t.Errorf("%v %q is %v, want %v", x.code, x.message, got.Kind, x.want)
		}
	}
}
