public import WireFormat

/// The content of the `app_data_dictionary` extension: what components of the application attach to a key package, leaf,
/// group info or group context (draft-ietf-mls-extensions, "Attaching Application Data to MLS Messages").
///
/// Its encoding is in rising order of component, each once; decoding refuses any other.
public struct AppDataDictionary: Sendable, Hashable {
  /// Data by component; what it means is the component's business.
  public var entries: [ComponentID: [UInt8]]

  /// A dictionary of these entries.
  public init(_ entries: [ComponentID: [UInt8]] = [:]) { self.entries = entries }

  /// The `app_data_dictionary` extension with this content.
  public var asExtension: Extension { Extension(type: .appDataDictionary, data: encoded) }
}

extension AppDataDictionary: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeList(entries.sorted { $0.key < $1.key }.map { ComponentItem(component: $0.key, data: $0.value) })
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    entries = try ComponentItem.readSorted(from: &reader)
  }
}

/// Authenticated data of several components in one message (draft-ietf-mls-extensions, "Safe Additional Authenticated
/// Data"). Where the group context's dictionary has the component ``ComponentID/safeAAD``, the `authenticatedData` of
/// every message is one of these.
public struct SafeAAD: Sendable, Hashable {
  /// Authenticated data by component.
  public var items: [ComponentID: [UInt8]]

  /// Authenticated data of these components.
  public init(_ items: [ComponentID: [UInt8]] = [:]) { self.items = items }
}

extension SafeAAD: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeList(items.sorted { $0.key < $1.key }.map { ComponentItem(component: $0.key, data: $0.value) })
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    items = try ComponentItem.readSorted(from: &reader)
  }
}

/// `ComponentData` and `SafeAADItem`, which are encoded alike.
private struct ComponentItem: WireCodable {
  var component: ComponentID
  var data: [UInt8]

  init(component: ComponentID, data: [UInt8]) {
    self.component = component
    self.data = data
  }

  func encode(into writer: inout ByteWriter) {
    component.encode(into: &writer)
    writer.writeVector(data)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    component = try ComponentID(from: &reader)
    data = try reader.readVector()
  }

  /// A list in strictly rising order of component.
  static func readSorted(from reader: inout ByteReader) throws(WireError) -> [ComponentID: [UInt8]] {
    let list = try reader.readList(of: ComponentItem.self, maxCount: Limits.maxComponents)
    var items: [ComponentID: [UInt8]] = [:]
    var last: ComponentID?
    for item in list {
      if let last, item.component <= last { throw .invalidValue(UInt64(item.component.rawValue)) }
      last = item.component
      items[item.component] = item.data
    }
    return items
  }
}

extension [Extension] {
  /// The content of the `app_data_dictionary` extension; empty without one.
  ///
  /// - Throws: `.malformed` when it is not in rising order, or not well-formed.
  public func appData() throws(MLSError) -> AppDataDictionary {
    guard let data = data(of: .appDataDictionary) else { return AppDataDictionary() }
    do { return try AppDataDictionary(decoding: data) } catch { throw .malformed(error) }
  }

  /// With this component's data in the dictionary, which is made if there is none.
  func settingAppData(_ component: ComponentID, to data: [UInt8]) throws(MLSError) -> [Extension] {
    var dictionary = try appData()
    dictionary.entries[component] = data
    return filter { $0.type != .appDataDictionary } + [dictionary.asExtension]
  }
}
