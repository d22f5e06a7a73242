/* A meter made of libmodbus: libmodbus_server tcp PORT | rtu DEVICE BAUD
 *
 * Registers 0 to 999: a holding register reads as its address, an input register as 1000 more. Some
 * addresses are answered wrongly, as libmodbus's own test server does. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { UNIT = 17, REGISTERS = 1000 };
enum { ONE_TOO_FEW = 900, NOT_NUMBERED = 910, FOREIGN = 920, LATE = 930, IN_CRUMBS = 940 };

static void raw(modbus_t *line, int unit, int function)
{
    uint8_t answer[] = {(uint8_t)unit, (uint8_t)function, 2, 0x12, 0x34};

    modbus_send_raw_request(line, answer, sizeof answer); /* its transaction number is always 0 */
}

static void in_crumbs(modbus_t *line, const uint8_t *asked)
{
    uint8_t answer[] = {asked[0], asked[1], 0, 0, 0, 5, asked[6], asked[7], 2, 0x12, 0x34};

    for (size_t n = 0; n < sizeof answer; n++) {
        send(modbus_get_socket(line), answer + n, 1, MSG_NOSIGNAL);
        usleep(2000);
    }
}

static void answer(modbus_t *line, uint8_t *asked, int length, modbus_mapping_t *registers)
{
    int head = modbus_get_header_length(line);
    int function = asked[head];
    int count = MODBUS_GET_INT16_FROM_INT8(asked, head + 3);

    switch (MODBUS_GET_INT16_FROM_INT8(asked, head + 1)) {
    case NOT_NUMBERED:
        raw(line, UNIT, function);
        return;
    case FOREIGN:
        raw(line, UNIT + 1, function);
        return;
    case IN_CRUMBS:
        in_crumbs(line, asked);
        return;
    case LATE:
        usleep(750000);
        break;
    case ONE_TOO_FEW:
        MODBUS_SET_INT16_TO_INT8(asked, head + 3, count - 1);
        break;
    }
    modbus_reply(line, asked, length, registers);
}

static void serve(modbus_t *line, modbus_mapping_t *registers, int is_serial)
{
    uint8_t asked[MODBUS_TCP_MAX_ADU_LENGTH];

    for (;;) {
        int length = modbus_receive(line, asked);

        if (length > 0)
            answer(line, asked, length, registers);
        else if (length < 0 && (!is_serial || errno == EIO || errno == EBADF))
            return;
    }
}

int main(int argc, char **argv)
{
    int is_serial = argc == 4 && !strcmp(argv[1], "rtu");
    modbus_mapping_t *registers = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
    modbus_t *line;

    if (argc < 3 || registers == NULL)
        return 2;
    for (int n = 0; n < REGISTERS; n++) {
        registers->tab_registers[n] = (uint16_t)n;
        registers->tab_input_registers[n] = (uint16_t)(1000 + n);
    }
    line = is_serial ? modbus_new_rtu(argv[2], atoi(argv[3]), 'N', 8, 1)
                     : modbus_new_tcp("127.0.0.1", atoi(argv[2]));
    modbus_set_slave(line, UNIT);
    int listening = is_serial ? modbus_connect(line) : modbus_tcp_listen(line, 1);
    if (listening < 0) {
        fprintf(stderr, "%s\n", modbus_strerror(errno));
        return 1;
    }
    puts("ready");
    fflush(stdout);
    do {
        if (!is_serial)
            modbus_tcp_accept(line, &listening);
        serve(line, registers, is_serial);
        modbus_close(line);
    } while (!is_serial);
    return 0;
}
