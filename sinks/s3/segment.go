package s3

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// checksumHeader holds the CRC-32C of an object, which the store verifies.
const checksumHeader = "X-Amz-Checksum-Crc32c"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns a segment, and how many bytes it has before compression. One event at
// a time is held uncompressed.
func (s *Sink) encode(changes []*pipeline.Change) (body []byte, plain int, err error) {
	var out bytes.Buffer
	if s.o.NoCompression {
		for _, c := range changes {
			b := append(c.AppendCloudEvent(out.AvailableBuffer()), '\n')
			out.Write(b)
		}
		return out.Bytes(), out.Len(), nil
	}
	encoder := s.encoders.Get().(*zstd.Encoder)
	defer s.encoders.Put(encoder)
	encoder.Reset(&out)
	var line []byte
	for _, c := range changes {
		line = append(c.AppendCloudEvent(line[:0]), '\n')
		plain += len(line)
		if _, err := encoder.Write(line); err != nil {
			return nil, 0, err
		}
	}
	if err := encoder.Close(); err != nil {
		return nil, 0, err
	}
	return out.Bytes(), plain, nil
}

// checksum returns the CRC-32C of a body as its header has it.
func checksum(body []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, castagnoli)))
}

// contentType names what a segment is as it is stored. It has no Content-Encoding, so
// that no reader unpacks it unasked, and the key says how to.
func contentType(plain bool) string {
	if plain {
		return "application/x-ndjson"
	}
	return "application/zstd"
}
