package testpages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/itchyny/gojq"
)

// jqCommand is a command of a page: the short flags, and the program.
var jqCommand = regexp.MustCompile(`(?s)\bjq -([rs]+) '([^']*)'`)

// JQ runs the one jq of a command on values of JSON, as the command does, and returns the lines
// that it prints. Flags are -r, which has to be there, and -s.
func JQ(t testing.TB, command string, input []byte) []string {
	t.Helper()
	found := jqCommand.FindAllStringSubmatch(command, -1)
	if len(found) != 1 || !strings.Contains(found[0][1], "r") {
		t.Fatalf("%d commands jq -r in\n%s", len(found), command)
	}
	values, err := decode(input)
	if err != nil {
		t.Fatalf("what jq is to read: %v", err)
	}
	if strings.Contains(found[0][1], "s") {
		values = []any{values}
	}
	lines, err := run(found[0][2], values)
	if err != nil {
		t.Fatalf("jq: %v in\n%s", err, command)
	}
	return lines
}

// decode returns the values, of which there may be several behind each other.
func decode(input []byte) ([]any, error) {
	values := []any{}
	for decoder := json.NewDecoder(bytes.NewReader(input)); ; {
		var v any
		if err := decoder.Decode(&v); errors.Is(err, io.EOF) {
			return values, nil
		} else if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
}

// run returns a line for each output: a text as it is, anything else as JSON.
func run(program string, values []any) (lines []string, err error) {
	query, err := gojq.Parse(program)
	if err != nil {
		return nil, err
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, err
	}
	for _, value := range values {
		for outputs := code.Run(value); ; {
			output, more := outputs.Next()
			if !more {
				break
			}
			switch output := output.(type) {
			case error:
				return nil, output
			case string:
				lines = append(lines, output)
			default:
				text, err := gojq.Marshal(output)
				if err != nil {
					return nil, fmt.Errorf("print %v: %w", output, err)
				}
				lines = append(lines, string(text))
			}
		}
	}
	return lines, nil
}
