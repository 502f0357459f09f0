package credentials

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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
	text, err := readFile(path, maxSecret+len("\r\n"))
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

// readFile returns what a regular file of at most so many bytes holds. To open
// another one may block, and a device may have no end.
func readFile(path string, most int) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err) // which names the path
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is no regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if len(text) > most {
		return nil, tooLarge(path, most)
	}
	return text, nil
}

func tooLarge(path string, most int) error {
	return fmt.Errorf("read %s: it has more than %d bytes, so it is another file than is meant", path, most)
}
