package ledger

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
)

// storedHead is a head as this version or an earlier one has written it. Those
// before had selectors in the name of a cursor, and delivered to all sinks from one.
type storedHead struct {
	head
	ID struct {
		StreamID
		Labels string `json:"labels"`
		Fields string `json:"fields"`
	} `json:"id"`
	Clean *bool    `json:"x-clean"`
	Sinks []string `json:"sinks"`
	Owed  bool     `json:"owed"` // everything is due
}

// ignorable begins the names of fields that a version which does not know them may
// leave out, and then lose: those of a head, and of any object in it.
const ignorable = "x-"

// decode reads a head. What a newer version has written may have more fields: without those
// that are ignorable all of it must be known.
func (s *storedHead) decode(b []byte) error {
	if decodeKnown(b, &storedHead{}) != nil {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber() // of 64 bits
		var all any
		if err := d.Decode(&all); err != nil {
			return err
		}
		leaveOutIgnorable(all)
		rest, err := json.Marshal(all)
		if err != nil {
			return err
		}
		if err := decodeKnown(rest, &storedHead{}); err != nil {
			return err
		}
	}
	return json.Unmarshal(b, s)
}

// decodeKnown is json.Unmarshal, and fails if there is a field that nobody knows.
func decodeKnown(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// leaveOutIgnorable takes the ignorable fields out of a value, and out of all that is in it.
func leaveOutIgnorable(value any) {
	switch value := value.(type) {
	case map[string]any:
		maps.DeleteFunc(value, func(name string, _ any) bool { return strings.HasPrefix(name, ignorable) })
		for _, v := range value {
			leaveOutIgnorable(v)
		}
	case []any:
		for _, v := range value {
			leaveOutIgnorable(v)
		}
	}
}

// read returns what it says in today's terms. The sinks are still to be dealt with.
func (s *storedHead) read() head {
	h := s.head
	h.ID, h.sinks = s.ID.StreamID, s.Sinks
	if h.before = s.Clean == nil; !h.before {
		h.Clean = *s.Clean
	}
	if h.Selection == (Selection{}) {
		h.Selection = Selection{Namespace: h.ID.Namespace, Labels: s.ID.Labels, Fields: s.ID.Fields}
	}
	if s.Owed {
		h.Due++
	}
	return h
}
