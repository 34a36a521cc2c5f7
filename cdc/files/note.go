package files

import (
	"encoding/binary"
	"os"
	"time"
)

// stamp is what tells a file's versions apart without reading it. A write sets ctime whatever is done
// to mtime; inode tells a file that was put in another's place.
type stamp struct {
	mtime, ctime int64 // nanoseconds since 1970; ctime is 0 where the system has none
	size         int64
	inode        uint64 // 0 where the system has none
}

func stampOf(info os.FileInfo) stamp {
	s := stamp{mtime: info.ModTime().UnixNano(), size: info.Size()}
	s.ctime, s.inode = identity(info)
	return s
}

// Steps in which file systems stamp times, with room to spare.
const (
	fineStep   = 20 * time.Millisecond // a tick of the kernel is at most 10 ms
	coarseStep = 2 * time.Second       // FAT stamps even seconds
)

// racy reports whether the file could change after a read that began at the given time and yet keep
// its stamp. A write cannot set ctime back, so that mtime only counts where there is no ctime.
func (s stamp) racy(read time.Time) bool {
	changed := s.ctime
	if changed == 0 {
		changed = s.mtime
	}
	step := fineStep
	if changed%int64(time.Second) == 0 {
		step = coarseStep
	}
	return changed > read.Add(-step).UnixNano()
}

// outcome is what became of a file.
type outcome uint8

const (
	accepted outcome = iota
	tooLarge
	unreadable
	badName
	stale // the note is of another form: known, but to be read again
)

// String is the code of a rejection.
func (o outcome) String() string {
	return [...]string{"accepted", "too_large", "unreadable", "bad_name", "stale"}[o]
}

// note is what the ledger keeps of a file.
type note struct {
	stamp
	hash    [16]byte // of the content; zero for a rejected file
	outcome outcome
	racy    bool
}

// A note is 50 bytes: form, outcome and racy, mtime, ctime, size, inode, hash; big endian.
const (
	noteForm  = 1
	noteBytes = 2 + 4*8 + 16
	racyBit   = 0x80
)

func (n note) append(dst []byte) []byte {
	flags := byte(n.outcome)
	if n.racy {
		flags |= racyBit
	}
	dst = append(dst, noteForm, flags)
	for _, x := range [...]uint64{uint64(n.mtime), uint64(n.ctime), uint64(n.size), n.inode} {
		dst = binary.BigEndian.AppendUint64(dst, x)
	}
	return append(dst, n.hash[:]...)
}

// decodeNote never fails: what it cannot read is stale, so that the file is read and noted again.
func decodeNote(b []byte) note {
	if len(b) != noteBytes || b[0] != noteForm || outcome(b[1]&^racyBit) >= stale {
		return note{outcome: stale}
	}
	n := note{outcome: outcome(b[1] &^ racyBit), racy: b[1]&racyBit != 0}
	n.mtime = int64(binary.BigEndian.Uint64(b[2:]))
	n.ctime = int64(binary.BigEndian.Uint64(b[10:]))
	n.size = int64(binary.BigEndian.Uint64(b[18:]))
	n.inode = binary.BigEndian.Uint64(b[26:])
	copy(n.hash[:], b[34:])
	return n
}

// fits reports whether a file with this stamp needs no second look under the size limit.
func (n note) fits(s stamp, maxSize int64) bool {
	if n.stamp != s || n.racy {
		return false
	}
	switch n.outcome {
	case accepted:
		return s.size <= maxSize
	case tooLarge:
		return s.size > maxSize
	}
	return false // rights and disks heal without a trace in the stamp
}
