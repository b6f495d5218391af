public import WireFormat

/// A part of an application that uses MLS on its own, apart from the others (draft-ietf-mls-extensions, "Component IDs").
/// Numbers from 0x8000 on are for private use.
public struct ComponentID: CodePoint {
  /// The number on the wire.
  public let rawValue: UInt16
  /// The component with this number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The list of components that somebody supports, or that a group requires.
  public static let appComponents = ComponentID(rawValue: 1)
  /// The list of components that frame their authenticated data (``SafeAAD``).
  public static let safeAAD = ComponentID(rawValue: 2)
  /// Marks a key package that may be used more than once.
  public static let lastResortKeyPackage = ComponentID(rawValue: 4)
}

/// The content of the components ``ComponentID/appComponents`` and ``ComponentID/safeAAD`` (draft-ietf-mls-extensions,
/// "Negotiating Extensions and Components"). Unknown numbers are kept.
public struct ComponentsList: Sendable, Hashable, WireCodable {
  /// In the order of the encoding.
  public var components: [ComponentID]

  /// A list of these components.
  public init(_ components: [ComponentID]) { self.components = components }

  public func encode(into writer: inout ByteWriter) { writer.writeList(components) }
  public init(from reader: inout ByteReader) throws(WireError) {
    components = try reader.readList(maxCount: Limits.maxComponents)
  }
}
