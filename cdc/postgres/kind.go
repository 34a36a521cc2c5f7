package postgres

import "github.com/freshet/freshet/cdc"

// OIDs of the types that every server has.
const (
	oidBool        = 16
	oidBytea       = 17
	oidName        = 19
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidOID         = 26
	oidJSON        = 114
	oidFloat4      = 700
	oidFloat8      = 701
	oidBpchar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidNumeric     = 1700
	oidUUID        = 2950
	oidJSONB       = 3802
)

// codec is how the values of a column travel and what they become. The kinds of values that it does not
// name are taken as the text that the server writes for them.
type codec uint8

const (
	codecText    codec = iota // String: text as the server writes it; binary is not known
	codecString               // String: text and binary are the same bytes
	codecBool                 // Bool
	codecInt2                 // Int64
	codecInt4                 // Int64
	codecInt8                 // Int64
	codecOID                  // Int64, unsigned
	codecFloat4               // Float64
	codecFloat8               // Float64
	codecNumeric              // Decimal
	codecBytea                // Bytes
	codecDate                 // Date
	codecTime                 // String, such as 24:00:00
	codecStamp                // Timestamp, of both types
	codecUUID                 // UUID
	codecJSON                 // JSON
	codecJSONB                // JSON behind a version byte
	codecVector               // Vector of pgvector
	codecHalf                 // Vector, of pgvector's halfvec
)

// sqlType is a type as the catalog tells it; of a domain, the type below all its domains.
type sqlType struct {
	oid      uint32
	modifier int32
	name     string // of pg_type
	class    byte   // of pg_type.typtype: b, e for an enum, …
	output   string // function that writes it as text, quoted for SQL
}

// codecOf chooses how values of a type are read.
func codecOf(t sqlType) codec {
	switch t.oid {
	case oidBool:
		return codecBool
	case oidInt2:
		return codecInt2
	case oidInt4:
		return codecInt4
	case oidInt8:
		return codecInt8
	case oidOID:
		return codecOID
	case oidFloat4:
		return codecFloat4
	case oidFloat8:
		return codecFloat8
	case oidNumeric:
		return codecNumeric
	case oidText, oidVarchar, oidBpchar, oidName:
		return codecString
	case oidBytea:
		return codecBytea
	case oidDate:
		return codecDate
	case oidTime:
		return codecTime
	case oidTimestamp, oidTimestamptz:
		return codecStamp
	case oidUUID:
		return codecUUID
	case oidJSON:
		return codecJSON
	case oidJSONB:
		return codecJSONB
	}
	switch {
	case t.class == 'e', t.class == 'b' && t.name == "citext":
		return codecString
	case t.class == 'b' && t.name == "vector":
		return codecVector
	case t.class == 'b' && t.name == "halfvec":
		return codecHalf
	}
	return codecText
}

// binary reports whether the values can be read as the server sends them in binary.
func (c codec) binary() bool { return c != codecText }

// kind is what the values become.
func (c codec) kind() cdc.Kind {
	switch c {
	case codecBool:
		return cdc.Bool
	case codecInt2, codecInt4, codecInt8, codecOID:
		return cdc.Int64
	case codecFloat4, codecFloat8:
		return cdc.Float64
	case codecNumeric:
		return cdc.Decimal
	case codecBytea:
		return cdc.Bytes
	case codecDate:
		return cdc.Date
	case codecStamp:
		return cdc.Timestamp
	case codecUUID:
		return cdc.UUID
	case codecJSON, codecJSONB:
		return cdc.JSON
	case codecVector, codecHalf:
		return cdc.Vector
	}
	return cdc.String
}
