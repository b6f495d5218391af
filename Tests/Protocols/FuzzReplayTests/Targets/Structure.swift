import WireFormat

/// One structure among those of a target. The first byte of an input says which one the rest is given to.
struct Structure: Sendable {
  let name: String
  private let body: @Sendable ([UInt8]) throws(BrokenProperty) -> Bool

  /// - Parameter body: says whether it took the bytes for one.
  init(_ name: String, _ body: @escaping @Sendable ([UInt8]) throws(BrokenProperty) -> Bool) {
    self.name = name
    self.body = body
  }

  /// A structure that has one encoding: what decodes, encodes to the same bytes.
  static func wire<Value: WireCodable & SendableMetatype>(_ type: Value.Type) -> Structure {
    Structure("\(type)") { (bytes) throws(BrokenProperty) -> Bool in
      guard let value = try? Value(decoding: bytes) else { return false }
      try BrokenProperty.unless(value.encoded == bytes, "\(Value.self) has a second encoding")
      return true
    }
  }

  /// - Returns: whether the structure took what it was given.
  static func run(_ input: [UInt8], of structures: [Structure]) throws(BrokenProperty) -> Bool {
    guard let selector = input.first else { return false }
    return try structures[Int(selector) % structures.count].body(Array(input.dropFirst()))
  }

  /// A seed for the structure with this name.
  static func seed(_ name: String, _ bytes: [UInt8], of structures: [Structure]) throws -> (name: String, bytes: [UInt8]) {
    guard let index = structures.firstIndex(where: { $0.name == name }) else {
      throw BrokenProperty("no structure has the name \(name)")
    }
    // The name is a file's.
    let file = name.replacing("<", with: "-").replacing(">", with: "")
    return (file, [UInt8(index)] + bytes)
  }
}
