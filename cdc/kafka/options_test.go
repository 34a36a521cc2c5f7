package kafka

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/broker"
)

// faultsOf are the options that New finds wrong, each with a hint.
func faultsOf(t *testing.T, o Options) []string {
	t.Helper()
	_, err := New(o)
	var named []string
	var collect func(error)
	collect = func(err error) {
		var of *cdc.OptionError
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range many.Unwrap() {
				collect(one)
			}
		} else if errors.As(err, &of) {
			if of.Hint == "" {
				t.Errorf("%v comes without a hint", err)
			}
			named = append(named, of.Option)
		} else if err != nil {
			t.Errorf("%v names no option", err)
		}
	}
	collect(err)
	slices.Sort(named)
	return slices.Compact(named)
}

func TestOptionsThatCannotBeMeantAreNamedAllAtOnce(t *testing.T) {
	at := broker.Access{Brokers: []string{"127.0.0.1:1"}}
	fields := []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "v", Type: cdc.Type{Kind: cdc.List, Elem: &cdc.Type{Kind: cdc.String}}}}
	for _, c := range []struct {
		name string
		o    Options
		want []string
	}{
		{"what is meant", Options{Access: at, Topic: "t", Schema: fields}, nil},
		{"debezium without envelopes", Options{Access: at, Topic: "t", Schema: fields, Format: "debezium", Unwrapped: true, Key: []string{"id"}}, nil},
		{"no topic", Options{Access: at, Schema: fields}, []string{"topic"}},
		{"two ways to name topics", Options{Access: at, Topic: "t", Topics: "t.*", Schema: fields}, []string{"topics"}},
		{"topics that are no expression", Options{Access: at, Topics: "(", Schema: fields}, []string{"topics"}},
		{"words that are none", Options{Access: at, Topic: "t", Schema: fields, Format: "xml", Start: "middle", OnGap: "jump"}, []string{"format", "on_gap", "start"}},
		{"no brokers", Options{Topic: "t", Schema: fields}, []string{"brokers"}},
		{"avro without a registry", Options{Access: at, Topic: "t", Format: "avro"}, []string{"registry"}},
		{"a registry without an address", Options{Access: at, Topic: "t", Format: "avro", Registry: &Registry{}}, []string{"registry"}},
		{"texts with fields", Options{Access: at, Topic: "t", Format: "string", Schema: fields}, []string{"schema"}},
		{"json without fields", Options{Access: at, Topic: "t"}, []string{"schema"}},
		{"debezium without a key", Options{Access: at, Topic: "t", Format: "debezium", Schema: fields}, []string{"key"}},
		{"an event with a key of fields", Options{Access: at, Topic: "t", Format: "cloudevents", Schema: fields, Key: []string{"id"}}, []string{"key"}},
		{"a key that is no field", Options{Access: at, Topic: "t", Schema: fields, Key: []string{"nr"}}, []string{"key"}},
		{"a key that is a list", Options{Access: at, Topic: "t", Schema: fields, Key: []string{"v"}}, []string{"key"}},
		{"a field twice", Options{Access: at, Topic: "t", Schema: append(fields, fields[0])}, []string{"schema"}},
		{"json without its envelope", Options{Access: at, Topic: "t", Schema: fields, Unwrapped: true}, []string{"unwrapped"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, faultsOf(t, c.o)); diff != "" {
				t.Errorf("other options are at fault (-want +got):\n%s", diff)
			}
		})
	}
}
