package httpsink

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// secretNames are parts of the names of parameters that hold credentials.
var secretNames = []string{"password", "passwd", "secret", "token", "api-key", "apikey", "api_key", "access_key", "signature"}

// shortSecretNames are whole names of such parameters: Azure's sig, and what others have.
var shortSecretNames = []string{"sig", "key", "code", "pass", "pwd", "auth", "credential"}

// looksSecret reports whether a parameter holds a credential, by its name.
func looksSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(shortSecretNames, name) || slices.ContainsFunc(secretNames, func(s string) bool { return strings.Contains(name, s) })
}

// parseQuery returns a question mark and the parameters of a URL, escaped.
func parseQuery(params []string) (string, error) {
	values := url.Values{}
	for _, p := range params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return "", errors.New("query: a parameter is no NAME=VALUE")
		}
		if looksSecret(name) {
			return "", errors.New("query: a parameter looks like a credential, which all would see who see this process; use header-file or path-file")
		}
		values.Add(name, value)
	}
	if len(values) == 0 {
		return "", nil
	}
	return "?" + values.Encode(), nil
}

func parseStatuses(texts []string) ([]int, error) {
	if len(texts) == 1 && texts[0] == "none" {
		return []int{}, nil
	}
	var all []int
	for _, text := range texts {
		status, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("permanent: %.20q is no status", text)
		}
		all = append(all, status)
	}
	return all, nil
}
