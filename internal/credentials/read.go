package credentials

import (
	"fmt"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

const (
	// maxSecret bounds a password or token, in bytes. Tokens of identity providers
	// have some thousands.
	maxSecret = 16 << 10
	// maxPEM bounds a file of certificates, in bytes. The list of all public CAs has
	// about a quarter of it.
	maxPEM = 1 << 20
)

// Read returns the password or token that a file holds, of 1 to 16,384 bytes, without
// one newline at its end. It must be one line. The error names the file, and holds
// nothing that is in it.
func Read(path string) (string, error) {
	text, err := smallfile.Read(path, maxSecret+len("\r\n"))
	if err != nil {
		return "", err
	}
	secret, newline := strings.CutSuffix(string(text), "\n")
	if newline {
		secret = strings.TrimSuffix(secret, "\r")
	}
	switch {
	case secret == "":
		return "", fmt.Errorf("read %s: it is empty; write the password or token into it, and nothing else", path)
	case len(secret) > maxSecret:
		return "", tooLarge(path, maxSecret)
	case strings.ContainsAny(secret, "\r\n\x00"):
		return "", fmt.Errorf("read %s: it has several lines or a zero byte; write the password or token into it, and nothing else", path)
	}
	return secret, nil
}

func tooLarge(path string, most int) error {
	return fmt.Errorf("read %s: it has more than %d bytes, so it is another file than is meant", path, most)
}
