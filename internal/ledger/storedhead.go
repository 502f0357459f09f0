package ledger

import (
	"bytes"
	"encoding/json"
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
	Sinks []string `json:"sinks"`
	Owed  bool     `json:"owed"` // everything is due
}

func (s *storedHead) decode(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(s)
}

// read returns what it says in today's terms. The sinks are still to be dealt with.
func (s *storedHead) read() head {
	h := s.head
	h.ID, h.sinks = s.ID.StreamID, s.Sinks
	if h.Selection == (Selection{}) {
		h.Selection = Selection{h.ID.Namespace, s.ID.Labels, s.ID.Fields}
	}
	if s.Owed {
		h.Due++
	}
	return h
}
