package statestore

// AppendChecksum lets tests write a VERSION file of another format.
func AppendChecksum(text []byte) []byte { return appendChecksum(text) }
