package httpsink

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// indexSyntax is that of an index, or of a data stream's or alias's name. A name that
// Elasticsearch does not take is refused with status 400 for each change.
var indexSyntax = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,254}$`)

// elasticsearch keeps one document for each object that exists. Its version is the
// sequence of the change, so that a late request does not replace a newer state.
func elasticsearch(index string, permanent []int) *wire {
	return &wire{
		path: "/_bulk", contentType: "application/x-ndjson",
		// The answer needs nothing else, and is bounded.
		query: url.Values{"filter_path": {"errors,items.*.status,items.*.error.type"}},
		append: func(dst []byte, c *pipeline.Change) ([]byte, error) {
			action := `{"index":{`
			if c.Op == pipeline.Deleted {
				action = `{"delete":{`
			}
			r := row(append(dst, action...)).text("_index", index).text("_id", document(c))
			if versioned(c) {
				r = r.number("version", c.Sequence).text("version_type", "external_gte")
			}
			r = append(r, "}}\n"...)
			if c.Op == pipeline.Deleted {
				return r, nil
			}
			r = append(r, '{').members(c).time("@timestamp", c.Observed)
			if c.Object != nil {
				r = jsontext.AppendOneLine(r.name("object"), c.Object)
			}
			return append(r, "}\n"...), nil
		},
		verdict: bulkVerdict(permanent),
		check:   askIndex(index),
		setup:   ofVictoria,
	}
}

// versioned reports whether a change has a version.
func versioned(c *pipeline.Change) bool { return c.Sequence != 0 && c.Sequence <= math.MaxInt64 }

// bulkVerdict returns what reads the answer of the bulk API, which has a status for each
// change.
func bulkVerdict(permanent []int) func([]byte, []*pipeline.Change) (map[int]error, error) {
	return func(answer []byte, changes []*pipeline.Change) (map[int]error, error) {
		if !json.Valid(answer) {
			return nil, errors.New("the answer is none of the bulk API; check the path of the URL, and what stands in front of the server")
		}
		var failed map[int]error
		err := eachItem(answer, "/items", len(changes), func(i int, raw json.RawMessage) error {
			told, err := bulkItem(raw, changes[i], permanent)
			if !told {
				return fmt.Errorf("the answer does not tell what became of change %d", i)
			}
			if err != nil {
				if failed == nil {
					failed = map[int]error{}
				}
				failed[i] = err
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%w; check the path of the URL, and what stands in front of the server", err)
		}
		return failed, nil
	}
}

// bulkItem reads the result of one change, and reports whether there is one.
func bulkItem(raw json.RawMessage, c *pipeline.Change, permanent []int) (told bool, refused error) {
	var item map[string]struct {
		Status int
		Error  json.RawMessage
	}
	if json.Unmarshal(raw, &item) != nil || len(item) != 1 {
		return false, nil //nolint:nilerr // The caller says what is wrong.
	}
	for action, result := range item {
		kind := ""
		if !isSecret(c) {
			kind = kindOf(result.Error)
		}
		switch {
		case action == "delete" && result.Status == 404: // it is not there, as it should be
		case result.Status == 409 && versioned(c): // there is a newer one
		case result.Status == 400 && isConfiguration(result.Error):
			refused = fmt.Errorf("%w: it is the index, its mapping or its limits that are not as they should be", itemStatus(result.Status, kind, nil))
		default:
			refused = itemStatus(result.Status, kind, permanent)
		}
	}
	return true, refused
}

// isConfiguration reports whether an error is that of a field limit, an alias or a data
// stream. None of them is the change's fault.
func isConfiguration(raw json.RawMessage) bool { return kindOf(raw) == "illegal_argument_exception" }

// kindOf returns the type of an error, which holds nothing of the document. Its reason may.
func kindOf(raw json.RawMessage) string {
	var e struct{ Type string }
	if json.Unmarshal(raw, &e) != nil {
		return ""
	}
	return redact.Line(e.Type, 100)
}
