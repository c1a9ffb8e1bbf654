package netconf

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
)

// sealLen is what stands before each line of the journal: its CRC-32 (IEEE), hexadecimal, and a
// space.
const sealLen = 9

// seal returns a line that tells whether it is whole.
func seal(line []byte) []byte {
	sum := crc32.ChecksumIEEE(line)
	b := hex.AppendEncode(nil, []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	return append(append(b, ' '), line...)
}

// unseal returns what seal was given; false if it is not that any more.
func unseal(line []byte) ([]byte, bool) {
	if len(line) <= sealLen || string(seal(line[sealLen:])[:sealLen]) != string(line[:sealLen]) {
		return nil, false
	}
	return line[sealLen:], true
}

// unsealHeading reads the first line of the file, which before version 3 had no seal.
func unsealHeading(line []byte) (heading, bool) {
	var h heading
	if b, ok := unseal(line); ok {
		return h, json.Unmarshal(b, &h) == nil
	}
	err := json.Unmarshal(line, &h)
	return h, err == nil && (h.Version == unsealedVersion || h.Version > journalVersion)
}

// withoutPath is an error without the name of a file, which was another one when it was
// opened.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
