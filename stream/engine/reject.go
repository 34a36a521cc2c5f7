package engine

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// StepError is a row that a step with `on_error: fail` refused: the flow stops.
type StepError struct {
	Step    string
	Key     string // of the source row
	Message string
}

func (e *StepError) Error() string {
	return fmt.Sprintf("step %s rejects %s: %s", e.Step, e.Key, e.Message)
}

// DeadLetter is a row that cannot be processed, with its cause. It leaves when its row succeeds,
// changes or is deleted.
type DeadLetter struct {
	ID       string          `json:"id"`
	Step     string          `json:"step"`   // the step, source or sink that rejected it
	Source   string          `json:"source"` // of the source row
	Key      string          `json:"key"`
	Code     string          `json:"code"`
	Message  string          `json:"message"`
	Attempts int             `json:"attempts"`
	At       string          `json:"at"` // RFC 3339
	Child    string          `json:"child,omitempty"`
	Input    json.RawMessage `json:"input,omitempty"`
	Reply    string          `json:"reply,omitempty"` // of the model, as it came
}

// letterKey is where a dead letter lies.
type letterKey struct {
	root     uint32 // instance
	owner    cdc.Key
	instance uint32 // of the step or sink that rejected; that of the root for a source
	child    []byte
}

// letter is a dead letter to be written.
type letter struct {
	letterKey
	body DeadLetter
}

// id is stable for the place of a dead letter, so that a row which fails again keeps it.
func (k letterKey) id() string {
	f := stream.FingerprintOf([]byte{byte(k.root), byte(k.root >> 8), byte(k.root >> 16)}, k.owner,
		[]byte{byte(k.instance), byte(k.instance >> 8), byte(k.instance >> 16)}, k.child)
	return hex.EncodeToString(f[:6])
}

// reject keeps a row out of everything behind the step and makes a dead letter of it (I6).
func (v *evaluator) reject(instance uint32, child []byte, what stream.Fingerprint, code, message string, input []byte, attempts int) {
	if v.keepReject(instance, child, what) {
		return
	}
	child = v.out.arena.copy(child)
	v.next.rejects = append(v.next.rejects, reject{instance: instance, child: child, what: what})
	key := letterKey{root: v.t.root.instance, owner: v.t.key, instance: instance, child: child}
	v.out.letters = append(v.out.letters, letter{letterKey: key, body: DeadLetter{ID: key.id(), Step: v.g.names[instance],
		Source: v.t.root.name, Key: v.t.key.Text(), Code: code, Message: message, Attempts: attempts,
		At: timeText(v.now), Child: childText(child), Input: input}})
}

// rejectSource makes a dead letter of a row that the source itself rejects.
func (v *evaluator) rejectSource(why *cdc.Cause) {
	n := len(v.out.letters)
	v.reject(v.t.root.instance, nil, stream.FingerprintOf([]byte(why.Code), []byte(why.Message)), why.Code, why.Message, why.Input, 1)
	if why.Keyless && len(v.out.letters) > n {
		v.out.letters[n].body.Key = why.Place
	}
}

// replied adds what the model said to the dead letter of a row that has just been rejected.
func (v *evaluator) replied(instance uint32, child []byte, reply string) {
	if i := len(v.out.letters) - 1; i >= 0 && v.out.letters[i].instance == instance && bytes.Equal(v.out.letters[i].child, child) {
		v.out.letters[i].body.Reply = reply
	}
}

// keepReject reports whether the row was rejected before for the same reason and nobody asked to try
// again; then it stays rejected.
func (v *evaluator) keepReject(instance uint32, child []byte, what stream.Fingerprint) bool {
	for i := range v.old.rejects {
		r := &v.old.rejects[i]
		if r.instance != instance || r.what != what || !bytes.Equal(r.child, child) {
			continue
		}
		kept := *r
		again, discard := v.asked(instance, child)
		if again && !discard || kept.flags&rejectRetry != 0 {
			return false
		}
		if discard {
			kept.flags |= rejectDiscard
			v.out.cleared = append(v.out.cleared, letterKey{root: v.t.root.instance, owner: v.t.key, instance: instance, child: v.out.arena.copy(child)})
		}
		for len(v.oldReject) < len(v.old.rejects) {
			v.oldReject = append(v.oldReject, false)
		}
		if !v.oldReject[i] {
			v.oldReject[i] = true
			v.next.rejects = append(v.next.rejects, kept)
		}
		return true
	}
	return false
}

// settleRejects removes the dead letters of what is not rejected any more.
func (v *evaluator) settleRejects() {
	for i := range v.old.rejects {
		r := &v.old.rejects[i]
		if v.oldReject[i] {
			continue
		}
		if v.waits(r) {
			kept := *r
			switch again, discard := v.asked(r.instance, r.child); {
			case discard:
				kept.flags |= rejectDiscard
				v.out.cleared = append(v.out.cleared, letterKey{root: v.t.root.instance, owner: v.t.key, instance: r.instance, child: v.out.arena.copy(r.child)})
			case again:
				kept.flags |= rejectRetry
			}
			v.next.rejects = append(v.next.rejects, kept)
			continue
		}
		key := letterKey{root: v.t.root.instance, owner: v.t.key, instance: r.instance, child: r.child}
		again := false
		for j := range v.out.letters {
			l := &v.out.letters[j]
			again = again || l.instance == key.instance && bytes.Equal(l.owner, key.owner) && bytes.Equal(l.child, key.child)
		}
		if !again {
			key.child = v.out.arena.copy(key.child)
			v.out.cleared = append(v.out.cleared, key)
		}
	}
}

// settleUnseen settles what sinks have refused of an owner whose row is not retained: the record tells
// which rows they were, and everything else of it stays.
func (v *evaluator) settleUnseen() error {
	if !slices.ContainsFunc(v.t.refused, func(r refusal) bool { return r.call.IsZero() }) {
		return nil
	}
	n, o := &v.next, &v.old
	n.exists, n.hasRow, n.plan, n.layout, n.origin, n.time = o.exists, o.hasRow, o.plan, o.layout, o.origin, o.time
	n.hash, n.row, n.note, n.noted = o.hash, o.row, o.note, o.noted
	n.calls = append(n.calls, o.calls...)
	n.causes = append(n.causes, o.causes...)
	v.clear()
	for i := range o.rejects {
		v.oldReject[i] = true
		if r := &o.rejects[i]; v.refusal(r.instance, r.child) == nil {
			n.rejects = append(n.rejects, *r)
		}
	}
	before := v.effectCounts()
	for i := range o.sinks {
		section := sinkSection{instance: o.sinks[i].instance}
		for k := range o.sinks[i].entries {
			e := &o.sinks[i].entries[k]
			r, t := v.refusal(section.instance, e.key), v.targetOf(section.instance)
			if r == nil || t.shapes[e.input].hash(r.row) != e.hash {
				section.entries = append(section.entries, *e)
				continue
			}
			v.reject(t.instance, e.key, stream.FingerprintOf(e.hash[:]), r.code, r.message, v.describeSink(t, r.row), r.attempts)
			v.remove(t, e)
		}
		if len(section.entries) > 0 {
			n.sinks = append(n.sinks, section)
		}
	}
	v.write()
	v.tell(before)
	return nil
}

// refusal is a sink's no to a row that has just come.
func (v *evaluator) refusal(instance uint32, child []byte) *refusal {
	for i := range v.t.refused {
		if r := &v.t.refused[i]; r.instance == instance && r.call.IsZero() && bytes.Equal(r.child, child) {
			return r
		}
	}
	return nil
}

func (v *evaluator) targetOf(instance uint32) *target {
	for _, t := range v.g.targets {
		if t.instance == instance {
			return t
		}
	}
	return nil
}

// asked reports whether a person wants a rejected row to be tried again, or its dead letter dropped.
func (v *evaluator) asked(instance uint32, child []byte) (again, discard bool) {
	for _, r := range v.t.retry {
		if r.instance == instance && bytes.Equal(r.child, child) {
			return true, r.discard
		}
	}
	return false, false
}

// waits reports whether the fate of a rejected row is open: what rejected it was not reached this time,
// or a call for it is on its way.
func (v *evaluator) waits(r *reject) bool {
	if r.instance == v.t.root.instance {
		return !v.t.changed
	}
	for s, instance := range v.g.mappers {
		if instance == r.instance {
			return !v.applied[s]
		}
	}
	for _, t := range v.g.targets {
		if t.instance == r.instance {
			return v.visited[t.index] == 0
		}
	}
	n := v.g.callOf(r.instance)
	if n == nil {
		return false
	}
	if !v.reached[n.index] {
		return true
	}
	sec := v.next.call(r.instance)
	if sec == nil || !sec.held {
		return false
	}
	for i := range sec.wanted {
		if bytes.Equal(sec.wanted[i].child, r.child) && sec.wanted[i].call == r.what {
			return true
		}
	}
	return false
}

// keepStale leaves what stood of a rejected row where it is.
func (v *evaluator) keepStale(instance uint32, child []byte) {
	for i := range v.next.rejects {
		r := &v.next.rejects[i]
		if r.instance == instance && bytes.Equal(r.child, child) {
			r.flags |= rejectStale
		}
	}
}

// describe writes a row as JSON, cut to a size that a dead letter may have.
func (v *evaluator) describe(collection int, row cdc.Row) []byte {
	columns := v.g.plan.Collections[collection].Schema.Columns
	out := []byte{'{'}
	for i, c := range columns {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(cdc.AppendJSONString(out, c.Name), ':')
		field := row.At(i)
		if len(field.Raw) > letterFieldMax && (c.Type.Kind == cdc.String || c.Type.Kind == cdc.Bytes) {
			field.Raw = field.Raw[:letterFieldMax]
		}
		out = cdc.AppendJSON(out, &c.Type, field)
	}
	return append(out, '}')
}

// letterFieldMax bounds a field of a row that a dead letter shows, in bytes.
const letterFieldMax = 64 << 10
