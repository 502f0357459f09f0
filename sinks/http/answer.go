package httpsink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// answerCheck returns what reads an answer of JSON: something has to stand in it, and an
// array may have a status for each change.
func answerCheck(success, items, status string) func([]byte, int) (map[int]error, error) {
	at, want, _ := strings.Cut(success, "=")
	return func(answer []byte, changes int) (map[int]error, error) {
		decoder := json.NewDecoder(bytes.NewReader(answer))
		decoder.UseNumber()
		var root any
		if err := decoder.Decode(&root); err != nil {
			return nil, errors.New("the answer is no JSON; check the URL, and success or items")
		}
		if items != "" {
			return itemsCheck(root, items, status, changes)
		}
		value, ok := lookUp(root, at)
		if got, scalar := scalarText(value); !ok || !scalar || got != want {
			return nil, fmt.Errorf("the answer says no success: at %s is not %s", at, want)
		}
		return nil, nil
	}
}

func itemsCheck(root any, items, status string, changes int) (map[int]error, error) {
	value, _ := lookUp(root, items)
	array, ok := value.([]any)
	if !ok || len(array) != changes {
		return nil, fmt.Errorf("the answer has no array at %s with an item for each of the %d changes", items, changes)
	}
	failed := map[int]error{}
	for i, item := range array {
		value, _ := lookUp(item, status)
		text, _ := scalarText(value)
		code, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("item %d of the answer has no status at %s", i, status)
		}
		if err := itemStatus(code, ""); err != nil {
			failed[i] = err
		}
	}
	return failed, nil
}

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// lookUp returns what a pointer of RFC 6901 points to.
func lookUp(value any, pointer string) (any, bool) {
	if pointer == "" {
		return value, true
	}
	for name := range strings.SplitSeq(pointer[1:], "/") {
		switch in := value.(type) {
		case map[string]any:
			var ok bool
			if value, ok = in[unescapePointer.Replace(name)]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			value = in[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// scalarText returns a string as it is, and a number, true, false or null as in JSON.
func scalarText(value any) (string, bool) {
	switch v := value.(type) {
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
