package httpdest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

// maxLines bounds a file of lines, in bytes.
const maxLines = 64 << 10

// ofTheBody are headers that say how the body is written, or where it goes.
var ofTheBody = []string{"Host", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade"}

// ReadHeaders adds the headers that a file holds, one NAME: VALUE a line, and returns what
// of them may be shown to nobody. Each may stand there several times, but none that
// header has already: servers refuse two of Authorization. User-Agent is replaced. Those
// of the body are refused, and those that begin with one of the prefixes.
func ReadHeaders(path string, header http.Header, prefixes ...string) (secrets []string, err error) {
	all, numbers, err := Lines(path)
	mine := map[string]bool{}
	for i, line := range all {
		name, value, colon := strings.Cut(line, ":")
		name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !colon || value == "" || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("read %s: line %d is no NAME: VALUE of a header", path, numbers[i])
		}
		if slices.Contains(ofTheBody, name) || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			return nil, fmt.Errorf("read %s: line %d gives header %s, which the sink itself sets", path, numbers[i], name)
		}
		if name == "User-Agent" && !mine[name] {
			delete(header, name)
		}
		if _, taken := header[name]; taken && !mine[name] {
			return nil, fmt.Errorf("read %s: line %d gives header %s, which another parameter gives as well", path, numbers[i], name)
		}
		mine[name] = true
		header[name] = append(header[name], value)
		secrets = append(secrets, value)
		if _, credential, two := strings.Cut(value, " "); two { // SCHEME CREDENTIAL
			secrets = append(secrets, credential)
		}
	}
	return secrets, err
}

// Lines returns the lines of a file of at most 64 KiB, without those that are empty or
// begin with a #, and the number of each in the file, from one. There is at least one.
func Lines(path string) (all []string, numbers []int, err error) {
	text, err := smallfile.Read(path, maxLines)
	if err != nil {
		return nil, nil, err
	}
	number := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		number++
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all, numbers = append(all, line), append(numbers, number)
		}
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("read %s: it has no line", path)
	}
	return all, numbers, nil
}
