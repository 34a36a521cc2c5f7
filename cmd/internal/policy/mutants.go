package policy

// Mutant breaks one promise in one place. It is never built into anything: a test lays it over the file for
// one run of the test that is to notice.
type Mutant struct {
	Promise int    // the number behind the I
	Does    string // what the house does then, for people
	File    string // from the root of the module
	Old     string // what stands in the file, once
	New     string // what stands there instead
	Package string // folder of the test that goes red
	Test    string // its name
}

// Mutants breaks every promise once or more. What it names is held against the code by a test, so that a
// mutant cannot survive by not being there.
func Mutants() []Mutant {
	return append(mutantsOfTheLog(), mutantsOfRows()...)
}

const engine = "stream/engine"

// mutantsOfTheLog break what is about durability, order and who may write.
func mutantsOfTheLog() []Mutant {
	return []Mutant{
		{
			Promise: 1, Does: "a source is told of an epoch that is not durable yet",
			File:    "stream/engine/loop.go",
			Old:     "\tif err := e.load(g); err != nil {\n\t\treturn false, err\n\t}\n",
			New:     "\tfor source, position := range g.cursors {\n\t\tif c := e.confirms[source]; c != nil {\n\t\t\tc.set(position)\n\t\t}\n\t}\n\tif err := e.load(g); err != nil {\n\t\treturn false, err\n\t}\n",
			Package: engine, Test: "TestNothingLeavesBeforeTheEpochIsDurable",
		},
		{
			Promise: 1, Does: "an epoch is handed over before it has landed",
			File:    "stream/engine/inflight.go",
			Old:     "\tf.sync.Wait()\n\te.o.Crash(\"commit.after\")\n\treturn e.handOver(f)\n",
			New:     "\tif err := e.handOver(f); err != nil {\n\t\treturn err\n\t}\n\te.o.Crash(\"commit.after\")\n\tf.sync.Wait()\n\treturn nil\n",
			Package: engine, Test: "TestNothingLeavesBeforeTheEpochIsDurable",
		},
		{
			Promise: 2, Does: "the cursor becomes durable before the records of its epoch",
			File:    "stream/engine/commit.go",
			Old:     "\tb := e.db.State.NewBatchOf(g.made)\n\tfor _, v := range e.evaluators {\n",
			New:     "\tb := e.db.State.NewBatch()\n\tfor source, position := range g.cursors {\n\t\tb.Put(metaKey(\"cursor/\"+e.plan.Sources[source].Name), []byte(position))\n\t}\n\tif err := e.db.State.Commit(b, true); err != nil {\n\t\treturn err\n\t}\n\tb = e.db.State.NewBatch()\n\tfor _, v := range e.evaluators {\n",
			Package: engine, Test: "TestKilledAtEveryStep",
		},
		{
			Promise: 3, Does: "a writer that was replaced still writes",
			File:    "sinks/vector/apply.go",
			Old:     "if t.Generation < x.progress.fence {",
			New:     "if false {",
			Package: "sinks/vector", Test: "TestAnOlderGenerationIsFencedOff",
		},
		{
			Promise: 3, Does: "an older version takes the place of a newer one",
			File:    "sinks/vector/apply.go",
			Old:     "if tombstone && c.version <= version || c.has && c.version <= x.space.info(c.at).version {",
			New:     "if tombstone && c.version <= version {",
			Package: "sinks/vector", Test: "TestReplaysAndLateWritesChangeNothing",
		},
		{
			Promise: 4, Does: "a row that changes faster than its calls return never moves on",
			File:    "stream/engine/call.go",
			Old:     "const overtakeMax = 2",
			New:     "const overtakeMax = 1 << 40",
			Package: engine, Test: "TestScenario_05_AnOwnerFasterThanItsCalls",
		},
		{
			Promise: 5, Does: "what another plan has written is not taken from the record",
			File:    "stream/engine/diff.go",
			Old:     "if s := v.old.sink(t.instance); s != nil {",
			New:     "if s := v.old.sink(t.instance); s != nil && v.old.plan == v.next.plan {",
			Package: engine, Test: "TestLogicChanges",
		},
	}
}

// mutantsOfRows break what is about the rows themselves.
func mutantsOfRows() []Mutant {
	return []Mutant{
		{
			Promise: 6, Does: "rows that are not made any more stay in the sink",
			File:    "stream/engine/diff.go",
			Old:     "\t\tsection.entries = append(section.entries, *was)\n\t\treturn\n\t}\n\tv.remove(t, was)\n}",
			New:     "\t\tsection.entries = append(section.entries, *was)\n\t\treturn\n\t}\n}",
			Package: engine, Test: "TestRandomHistoriesEqualTheOracle",
		},
		{
			Promise: 6, Does: "rows that an old plan has decided are sent under a new one",
			File:    "stream/engine/takeback.go",
			Old:     "if now := next.Sinks[s.Name]; !ok || was.Instance != now.Instance || was.Logic == now.Logic {",
			New:     "if now := next.Sinks[s.Name]; ok || was.Instance != now.Instance {",
			Package: engine, Test: "TestUnsentRowsOfAChangedSinkAreTakenBack",
		},
		{
			Promise: 6, Does: "a renamed column counts as the row that was",
			File:    "stream/engine/diff.go",
			Old:     "s := sinkRow{row: row, sinkEntry: sinkEntry{input: input, key: r.child, hash: t.shapes[input].hash(row)}}",
			New:     "s := sinkRow{row: row, sinkEntry: sinkEntry{input: input, key: r.child, hash: shape{}.hash(row)}}",
			Package: engine, Test: "TestARenamedColumnIsWritten",
		},
		{
			Promise: 7, Does: "equal inputs of two owners are two calls",
			File:    "stream/engine/call.go",
			Old:     "row.call = stream.FingerprintOf(n.logic, input)",
			New:     "row.call = stream.FingerprintOf(n.logic, bytes.Join([][]byte{input, v.t.key}, nil))",
			Package: engine, Test: "TestRandomHistoriesEqualTheOracle",
		},
		{
			Promise: 8, Does: "the first answers of an owner are shown before the last one is there",
			File:    "stream/engine/call.go",
			Old:     "if most := n.step.Options.MaxHold; most == 0 || v.now-sec.since < most.Microseconds() {",
			New:     "if most := n.step.Options.MaxHold; most > 0 && v.now-sec.since < most.Microseconds() {",
			Package: engine, Test: "TestScenario_03_OwnersSwitchTogether",
		},
		{
			Promise: 9, Does: "a full queue lets its source go on",
			File:    "stream/engine/inlet.go",
			Old:     "for len(in.queue) > 0 && in.bytes+b.Bytes() > in.limit && ctx.Err() == nil {",
			New:     "for false {",
			Package: engine, Test: "TestAFullInletMakesItsSourceWait",
		},
		{
			Promise: 10, Does: "a read of a damaged table finds nothing, and says nothing",
			File:    "statestore/read.go",
			Old:     "\tif !valid {\n\t\treturn nil, false, w.it.Error()\n",
			New:     "\tif !valid {\n\t\treturn nil, false, nil\n",
			Package: "statestore", Test: "TestAReadOfADamagedTableIsNoAbsence",
		},
		{
			Promise: 11, Does: "a transaction is applied as far as it has come",
			File:    "stream/engine/gather.go",
			Old:     "\tfrom, full := 0, false\n\tfor _, txn := range b.Txns() {\n\t\tif err := e.admitTxn(g, source, b, from, txn); err != nil {",
			New:     "\tfrom, full := 0, false\n\tif len(b.Txns()) == 0 && b.Len() > 0 {\n\t\tb.Commit(e.cursors[source], 0)\n\t}\n\tfor _, txn := range b.Txns() {\n\t\tif err := e.admitTxn(g, source, b, from, txn); err != nil {",
			Package: engine, Test: "TestScenario_03_RangesAreNotTorn",
		},
	}
}
