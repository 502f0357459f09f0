package httpsink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-dev/fairlead/pipeline"
)

var errNoJSON = errors.New("the answer is no JSON; check the URL, and success or items")

// answerCheck returns what reads an answer of JSON: something has to stand in it, and an
// array may have a status for each change.
func answerCheck(success, items, status string, permanent []int) func([]byte, []*pipeline.Change) (map[int]error, error) {
	at, want, _ := strings.Cut(success, "=")
	return func(answer []byte, changes []*pipeline.Change) (map[int]error, error) {
		if !json.Valid(answer) {
			return nil, errNoJSON
		}
		if items != "" {
			return itemsCheck(answer, items, status, len(changes), permanent)
		}
		decoder := seek(answer, at)
		if decoder == nil {
			return nil, fmt.Errorf("the answer says no success: there is nothing at %s", at)
		}
		token, err := decoder.Token()
		if got, scalar := scalarText(token); err != nil || !scalar || got != want {
			return nil, fmt.Errorf("the answer says no success: at %s is not %s", at, want)
		}
		return nil, nil
	}
}

func itemsCheck(answer []byte, items, status string, changes int, permanent []int) (map[int]error, error) {
	failed := map[int]error{}
	err := eachItem(answer, items, changes, func(i int, item json.RawMessage) error {
		code := -1
		if decoder := seek(item, status); decoder != nil {
			token, _ := decoder.Token()
			text, _ := scalarText(token)
			if n, err := strconv.Atoi(text); err == nil {
				code = n
			}
		}
		if code < 0 {
			return fmt.Errorf("item %d of the answer has no status at %s", i, status)
		}
		if err := itemStatus(code, "", permanent); err != nil {
			failed[i] = err
		}
		return nil
	})
	return failed, err
}

// itemStatus says what the status of one change in the answer to many means.
func itemStatus(status int, kind string, permanent []int) error {
	if kind != "" {
		kind = " (" + kind + ")"
	}
	switch {
	case 200 <= status && status < 300:
		return nil
	case slices.Contains(permanent, status):
		return pipeline.Permanent(fmt.Errorf("the server refuses this change with status %d%s", status, kind))
	}
	return fmt.Errorf("the server did not take this change, with status %d%s", status, kind)
}

// eachItem calls take with each item of the array at a pointer of an answer, one after the
// other. There have to be as many as changes.
func eachItem(answer []byte, pointer string, changes int, take func(i int, item json.RawMessage) error) error {
	wrong := fmt.Errorf("the answer has no array at %s with an item for each of the %d changes", pointer, changes)
	decoder := seek(answer, pointer)
	if decoder == nil {
		return wrong
	}
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return wrong
	}
	var item json.RawMessage
	n := 0
	for ; decoder.More(); n++ {
		if n == changes || decoder.Decode(&item) != nil {
			return wrong
		}
		if err := take(n, item); err != nil {
			return err
		}
	}
	if n != changes {
		return wrong
	}
	return nil
}

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// seek returns a decoder that stands before the value that a pointer of RFC 6901 points
// to, the first if a name is there twice; nil if there is none. It keeps nothing of what
// it passes: a tree of an answer takes 50 times as much as its text.
func seek(text []byte, pointer string) *json.Decoder {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if pointer == "" {
		return decoder
	}
	for name := range strings.SplitSeq(pointer[1:], "/") {
		open, err := decoder.Token()
		if err != nil {
			return nil
		}
		found := false
		switch open {
		case json.Delim('{'):
			found = seekName(decoder, unescapePointer.Replace(name))
		case json.Delim('['):
			i, err := strconv.Atoi(name)
			found = err == nil && i >= 0
			for ; found && i > 0; i-- {
				found = skip(decoder)
			}
			found = found && decoder.More()
		}
		if !found {
			return nil
		}
	}
	return decoder
}

func seekName(decoder *json.Decoder, name string) bool {
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		if token == name {
			return true
		}
		if !skip(decoder) {
			return false
		}
	}
	return false
}

// skip passes one value; false if there is none.
func skip(decoder *json.Decoder) bool {
	for depth := 0; ; {
		if depth == 0 && !decoder.More() {
			return false
		}
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return true
		}
	}
}

// scalarText returns a string as it is, and a number, true, false or null as in JSON.
func scalarText(token json.Token) (string, bool) {
	switch v := token.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case nil:
		return "null", true
	}
	return "", false
}
