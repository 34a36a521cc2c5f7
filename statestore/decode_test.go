package statestore

import (
	"bytes"
	"hash/crc32"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func FuzzVersion(f *testing.F) {
	f.Add([]byte("1\n"))
	f.Add([]byte("2\n"))
	f.Add([]byte("01\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := parseVersion("VERSION", text); err == nil && string(text) != "1\n" {
			t.Errorf("%q is taken for a state of format 1", text)
		}
	})
}

func FuzzSeal(f *testing.F) {
	f.Add([]byte(sealTitle+"\n5 00000000000000aa MANIFEST-000001\n"), true)
	f.Add([]byte("x"), false)
	f.Fuzz(func(t *testing.T, text []byte, sum bool) {
		if sum {
			text = appendChecksum(text)
		}
		fs := vfs.NewMem()
		if err := writeFile(fs, sealName, text); err != nil {
			t.Fatal(err)
		}
		if _, err := checkSeal(fs, ""); err == nil && !sum {
			if _, err := cutChecksum(text); err != nil {
				t.Errorf("seal %q is accepted without its checksum", text)
			}
		}
	})
}

func FuzzLog(f *testing.F) {
	fs := vfs.NewMem()
	s, err := OpenStore("store", Options{FS: fs})
	if err != nil {
		f.Fatal(err)
	}
	for i := range 20 {
		b := s.NewBatch()
		b.Put(AppendKey(nil, Key{Space: SpaceOwners, Owner: []byte{byte(i)}}), make([]byte, 10*i))
		if err := s.Commit(b, true); err != nil {
			f.Fatal(err)
		}
	}
	names, err := fs.List("store")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		if filepath.Ext(name) == ".log" || len(name) > 8 && name[:8] == "MANIFEST" {
			data, err := readFile(fs, fs.PathJoin("store", name))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, uint16(len(data)/2), byte(0x10))
		}
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint16, mask byte) {
		data = bytes.Clone(data)
		if int(at) < len(data) {
			data[at] ^= mask
		}
		for _, kind := range []logKind{manifestLog, writeAheadLog} {
			l := logFile{data: data, kind: kind, table: crc32.MakeTable(crc32.Castagnoli)}
			if kind == writeAheadLog && len(data) >= recyclableHeader {
				l.number = uint32(data[7]) // what the first chunk says, if it is one
			}
			if bad, proof := l.scan(); bad > len(data) || proof >= 0 && proof <= bad {
				t.Errorf("bad chunk at %d of %d, proof at %d", bad, len(data), proof)
			}
		}
	})
}
