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
// leave out, and then lose.
const ignorable = "x-"

// ignorables are those of them that this version knows.
var ignorables = map[string]bool{
	ignorable + "clean": true, ignorable + "digests": true, ignorable + "digestKey": true, ignorable + "unwatchedFor": true, ignorable + "routeGoneFor": true, ignorable + "leftFor": true,
}

func (s *storedHead) decode(b []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	known := len(fields)
	maps.DeleteFunc(fields, func(name string, _ json.RawMessage) bool {
		return strings.HasPrefix(name, ignorable) && !ignorables[name]
	})
	if len(fields) < known {
		var err error
		if b, err = json.Marshal(fields); err != nil {
			return err
		}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(s)
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
