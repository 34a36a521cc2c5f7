package statestore

import (
	"errors"
	"testing"
)

func TestAVersionThatIsNewerIsToldHoweverItsLineEnds(t *testing.T) {
	for text, newer := range map[string]bool{
		"2\n": true, "2": true, "999999": true, "3\n\n": false, "99999999999999999999": true, "99999999999999999999\n": true,
		"1": false, "": false, "x\n": false, "-2\n": false, "0\n": false,
	} {
		err := parseVersion("VERSION", []byte(text))
		_, told := errors.AsType[*VersionError](err)
		_, damaged := errors.AsType[*CorruptError](err)
		if told != newer || damaged == newer {
			t.Errorf("%q: %v, newer %v", text, err, newer)
		}
	}
	if err := parseVersion("VERSION", []byte("1\n")); err != nil {
		t.Error(err)
	}
}
