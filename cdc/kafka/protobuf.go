package kafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/freshet/freshet/cdc"
)

// mainFile names the text of a schema among those that it imports.
const mainFile = "freshet/main.proto"

// parseProtobuf compiles a schema with those that it refers to. Nothing of it runs.
func parseProtobuf(ctx context.Context, client *sr.Client, s sr.Schema) (protoreflect.FileDescriptor, error) {
	files := map[string]string{mainFile: s.Schema}
	if err := imports(ctx, client, s, files); err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{MaxParallelism: 1,
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(files)})}
	compiled, err := compiler.Compile(ctx, mainFile)
	if err != nil {
		return nil, undecodable("read its schema", err)
	}
	return compiled[0], nil
}

func imports(ctx context.Context, client *sr.Client, s sr.Schema, files map[string]string) error {
	for _, ref := range s.References {
		if _, ok := files[ref.Name]; ok {
			continue
		}
		inner, err := client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return &registryError{fmt.Errorf("ask the registry for %s version %d: %w", ref.Subject, ref.Version, err)}
		}
		files[ref.Name] = inner.Schema.Schema
		if err := imports(ctx, client, inner.Schema, files); err != nil {
			return err
		}
	}
	return nil
}

// nestedMax bounds how deep the message of a record lies within others.
const nestedMax = 32

var errNoMessage = errors.New("the schema has no such message")

// messageOf finds the message that a record says it is, and what follows.
func messageOf(file protoreflect.FileDescriptor, data []byte) (protoreflect.MessageDescriptor, []byte, error) {
	path, rest, err := new(sr.ConfluentHeader).DecodeIndex(data, nestedMax)
	if err != nil {
		return nil, nil, fmt.Errorf("find its message: %w", err)
	}
	messages := file.Messages()
	var found protoreflect.MessageDescriptor
	for _, i := range path {
		if i < 0 || i >= messages.Len() {
			return nil, nil, errNoMessage
		}
		found = messages.Get(i)
		messages = found.Messages()
	}
	if found == nil {
		return nil, nil, errNoMessage
	}
	return found, rest, nil
}

// appendProtobuf makes JSON of a message in Protobuf's encoding.
func appendProtobuf(dst []byte, file protoreflect.FileDescriptor, n *named) ([]byte, error) {
	descriptor, body, err := messageOf(file, n.index)
	if err != nil {
		return dst, err
	}
	if n.body != nil {
		body = n.body
	}
	message := dynamicpb.NewMessage(descriptor)
	if err := (proto.UnmarshalOptions{RecursionLimit: depthMax}).Unmarshal(body, message); err != nil {
		return dst, fmt.Errorf("read %s: %w", descriptor.FullName(), err)
	}
	return appendMessage(dst, message), nil
}

// appendMessage writes the fields of a message by their names. One that has presence and is absent is null.
func appendMessage(dst []byte, m protoreflect.Message) []byte {
	fields := m.Descriptor().Fields()
	dst = append(dst, '{')
	for i := range fields.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		f := fields.Get(i)
		dst = append(cdc.AppendJSONString(dst, f.TextName()), ':')
		switch {
		case f.HasPresence() && !m.Has(f):
			dst = append(dst, "null"...)
		case f.IsMap():
			dst = appendEntries(dst, f, m.Get(f).Map())
		case f.IsList():
			dst = appendElements(dst, f, m.Get(f).List())
		default:
			dst = appendProtoValue(dst, f, m.Get(f))
		}
	}
	return append(dst, '}')
}

func appendElements(dst []byte, f protoreflect.FieldDescriptor, list protoreflect.List) []byte {
	dst = append(dst, '[')
	for i := range list.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendProtoValue(dst, f, list.Get(i))
	}
	return append(dst, ']')
}

func appendEntries(dst []byte, f protoreflect.FieldDescriptor, entries protoreflect.Map) []byte {
	dst = append(dst, '{')
	first := true
	entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(cdc.AppendJSONString(dst, k.String()), ':')
		dst = appendProtoValue(dst, f.MapValue(), v)
		return true
	})
	return append(dst, '}')
}

func appendProtoValue(dst []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, v.Bool())
	case protoreflect.StringKind:
		return cdc.AppendJSONString(dst, v.String())
	case protoreflect.BytesKind:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes())
		return append(dst, '"')
	case protoreflect.EnumKind:
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return cdc.AppendJSONString(dst, string(value.Name()))
		}
		return strconv.AppendInt(dst, int64(v.Enum()), 10) // a number that the schema does not name is no text
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		bits := 64
		if f.Kind() == protoreflect.FloatKind {
			bits = 32
		}
		x := v.Float()
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return append(dst, "null"...)
		}
		return strconv.AppendFloat(dst, x, 'g', -1, bits)
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return appendInner(dst, v.Message())
	}
	return strconv.AppendInt(dst, v.Int(), 10)
}

// appendInner writes a message within another: a time as a time, a wrapped value as the value.
func appendInner(dst []byte, m protoreflect.Message) []byte {
	fields := m.Descriptor().Fields()
	switch name := m.Descriptor().FullName(); {
	case name == "google.protobuf.Timestamp":
		at := time.Unix(m.Get(fields.ByNumber(1)).Int(), m.Get(fields.ByNumber(2)).Int()).UTC()
		dst = at.AppendFormat(append(dst, '"'), time.RFC3339Nano)
		return append(dst, '"')
	case isWrapper(m.Descriptor()):
		return appendProtoValue(dst, fields.ByNumber(1), m.Get(fields.ByNumber(1)))
	}
	return appendMessage(dst, m)
}

// isWrapper reports whether a message is one of those that make a scalar nullable.
func isWrapper(m protoreflect.MessageDescriptor) bool {
	return m.ParentFile() != nil && m.ParentFile().Path() == "google/protobuf/wrappers.proto"
}

// protobufColumns makes columns of the fields of a schema's first message. What has no type of its own is JSON.
func protobufColumns(file protoreflect.FileDescriptor) ([]cdc.Column, error) {
	if file.Messages().Len() == 0 {
		return nil, errNoMessage
	}
	fields := file.Messages().Get(0).Fields()
	var columns []cdc.Column
	for i := range fields.Len() {
		f := fields.Get(i)
		t := protobufType(f)
		switch {
		case f.IsMap():
			t = cdc.Type{Kind: cdc.JSON}
		case f.IsList():
			elem := t.NotNull()
			t = cdc.Type{Kind: cdc.List, Elem: &elem}
		}
		t.Nullable = f.HasPresence()
		columns = append(columns, cdc.Column{Name: f.TextName(), Type: t})
	}
	return columns, nil
}

func protobufType(f protoreflect.FieldDescriptor) cdc.Type {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return cdc.Type{Kind: cdc.Bool}
	case protoreflect.StringKind, protoreflect.EnumKind:
		return cdc.Type{Kind: cdc.String}
	case protoreflect.BytesKind:
		return cdc.Type{Kind: cdc.Bytes}
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return cdc.Type{Kind: cdc.Float64}
	case protoreflect.MessageKind, protoreflect.GroupKind:
		m := f.Message()
		switch {
		case m.FullName() == "google.protobuf.Timestamp":
			return cdc.Type{Kind: cdc.Timestamp}
		case isWrapper(m):
			return protobufType(m.Fields().ByNumber(1))
		}
		return cdc.Type{Kind: cdc.JSON}
	}
	return cdc.Type{Kind: cdc.Int64}
}
