package deadletter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Record is one refused change.
type Record struct {
	Time     time.Time      `json:"time"`     // when it was given up
	Sink     string         `json:"sink"`     // the one that refused it
	Reason   string         `json:"reason"`   // what the sink said
	Attempts int            `json:"attempts"` // writes that it was part of
	Event    pipeline.Event `json:"event"`
	Line     int            `json:"-"` // its number in the file, from 1
}

// recordStart is how every record begins.
const recordStart = `{"time":"`

// maxReason bounds what a sink says, in bytes: some repeat the whole request.
const maxReason = 4096

// appendRecord appends one line.
func appendRecord(dst []byte, at time.Time, sink string, c *pipeline.Change, reason error, attempts int) []byte {
	dst = append(dst, recordStart...)
	dst = at.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `","sink":`...)
	dst = jsontext.AppendString(dst, sink)
	dst = append(dst, `,"reason":`...)
	dst = jsontext.AppendString(dst, brief(reason))
	dst = append(dst, `,"attempts":`...)
	dst = strconv.AppendInt(dst, int64(attempts), 10)
	dst = append(dst, `,"event":`...)
	dst = c.AppendCloudEvent(dst)
	return append(dst, "}\n"...)
}

func brief(reason error) string {
	if reason == nil {
		return ""
	}
	return redact.Cut(reason.Error(), maxReason)
}

// parseRecord reads one line. What decoders might read differently is no
// record: neither of the record's members nor of the event's attributes may
// stand there twice, and the event's must agree (see [pipeline.ParseEvent]).
func parseRecord(line []byte) (Record, error) {
	var raw struct {
		Record
		Event json.RawMessage `json:"event"`
	}
	if err := jsontext.Unmarshal(line, &raw); err != nil {
		return Record{}, err
	}
	if raw.Event == nil {
		return Record{}, errors.New("it holds no event")
	}
	e, err := pipeline.ParseEvent(raw.Event)
	if err != nil {
		return Record{}, fmt.Errorf("its event: %w", err)
	}
	raw.Record.Event = e
	return raw.Record, nil
}
